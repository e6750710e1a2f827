package ledger;

import com.fasterxml.jackson.databind.JsonNode;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** What a ledger must hold for a decision, by its kind, SOP, outcome and status. */
record PostingTable(Map<String, Account> accounts, List<Rule> rules) {
    record Account(String holder, String unit) {}

    record Rule(String kind, String subjectOf, String outcome, String status, List<Line> lines) {}

    record Line(String account, String side, String amount) {}

    /** An amount on an account in 1/10,000 of its unit: debits are positive, credits negative. */
    record Posting(String account, String holder, String unit, long amount) {}

    /**
     * Returns what the ledger must hold for the `data` of a decision. Empty means that a person must look: no rule
     * knows the decision's values, or a field that its rule needs is absent.
     */
    Optional<List<Posting>> postings(JsonNode decision) {
        return rules.stream()
                .filter(rule -> rule.kind().equals(decision.path("kind").asText())
                        && rule.subjectOf().equals(decision.path("subject_of").asText())
                        && rule.outcome().equals(decision.path("outcome").asText())
                        && rule.status().equals(decision.path("status").asText()))
                .findFirst()
                .flatMap(rule -> postings(decision, rule));
    }

    private Optional<List<Posting>> postings(JsonNode decision, Rule rule) {
        List<Posting> found = new ArrayList<>();
        for (Line line : rule.lines()) {
            Account account = accounts.get(line.account());
            String holder = decision.path(account.holder()).asText("");
            String unit = account.unit();
            String number = line.amount();
            if (unit.equals("currency")) {
                JsonNode money = decision.path(line.amount());
                unit = money.path("currency").asText("");
                number = money.path("amount").asText("");
            }
            if (holder.isEmpty() || unit.isEmpty() || number.isEmpty()) {
                return Optional.empty();
            }
            long amount = new BigDecimal(number).movePointRight(4).longValueExact();
            if (amount != 0) {
                found.add(new Posting(line.account(), holder, unit, line.side().equals("debit") ? amount : -amount));
            }
        }
        return Optional.of(found);
    }
}
