"""Reads messages into the generated types, one a line, and writes each again as JSON.

The argument is the folder of the generated modules, one for each type of message.
"""

import importlib
import inspect
import json
import sys
from pathlib import Path

from pydantic import BaseModel


def main(folder: Path) -> None:
    """Read standard input."""
    sys.path.insert(0, str(folder.parent))
    models: dict[str, type[BaseModel]] = {}
    for file in folder.glob("[!_]*.py"):
        module = importlib.import_module(f"{folder.name}.{file.stem}")
        for name, model in inspect.getmembers(module, inspect.isclass):
            if name.endswith("Message") and issubclass(model, BaseModel):
                (message_type,) = model.model_json_schema()["properties"]["type"]["const"].split()
                models[message_type] = model
    for line in sys.stdin.buffer:
        message = models[json.loads(line)["type"]].model_validate_json(line)
        sys.stdout.write(message.model_dump_json(exclude_unset=True) + "\n")


main(Path(sys.argv[1]))
