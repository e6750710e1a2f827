// Says what is in a message by the generated types; the compiler checks every access.
import type { Message } from "./contract.js";

export function says(message: Message): (string | number | boolean | null | undefined)[] {
  switch (message.type) {
    case "decision.paf": {
      const { decision_id, revision, supersedes, status, outcome, counts_in_mg } = message.data;
      return [decision_id, revision, supersedes, status, outcome, counts_in_mg];
    }
    case "decision.refund": {
      const { decision_id, revision, supersedes, status, outcome, proven_amount } = message.data;
      return [decision_id, revision, supersedes, status, outcome, proven_amount?.amount];
    }
    case "decision.tagging":
    case "decision.rating_reversal": {
      const { decision_id, revision, supersedes, status, outcome } = message.data;
      return [decision_id, revision, supersedes, status, outcome];
    }
    case "action":
      return [message.data.action_id, message.data.revision, message.data.state, message.data.ticket_id];
    case "alert":
      return [message.data.alert_id, message.data.state, message.data.labels["severity"]];
    case "dead-letter":
      return [message.data.topic, message.data.offset, message.data.reason];
    case "job.booked":
      return [message.data.site.lat, message.data.site.lon, message.data.amount?.currency];
    case "location.reported":
      return [message.data.lat, message.data.lon, message.data.accuracy_m, message.data.mocked];
    default:
      return [message.subject, message.time];
  }
}
