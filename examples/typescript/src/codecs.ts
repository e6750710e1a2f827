/** Lets kafkajs read snappy, lz4 and zstd too: a topic may be compressed whatever its producer does. */

import { decompress as zstd } from "fzstd";
import kafkajs from "kafkajs";
import { decompress as lz4 } from "lz4js";
import { uncompress as snappy } from "snappyjs";

const XERIAL_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]);
const XERIAL_HEADER_BYTES = 16;

export function registerCodecs(): void {
  const { CompressionCodecs, CompressionTypes } = kafkajs;
  CompressionCodecs[CompressionTypes.Snappy] = reader(snappyBlocks);
  CompressionCodecs[CompressionTypes.LZ4] = reader(lz4);
  CompressionCodecs[CompressionTypes.ZSTD] = reader(zstd);
}

function reader(decompress: (bytes: Buffer) => Uint8Array): () => object {
  return () => ({
    compress: () => Promise.reject(new Error("a ledger writes nothing to Kafka")),
    decompress: async (bytes: Buffer) => Buffer.from(decompress(bytes)),
  });
}

/** Java writes a header, then blocks with their lengths before them; other clients write one bare block. */
function snappyBlocks(bytes: Buffer): Uint8Array {
  if (!bytes.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return snappy(bytes);
  const blocks: Uint8Array[] = [];
  for (let at = XERIAL_HEADER_BYTES; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32BE(at);
    blocks.push(snappy(bytes.subarray(at + 4, end)));
    at = end;
  }
  return Buffer.concat(blocks);
}
