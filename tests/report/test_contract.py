import json
from typing import Never

from butfor.report.contract import contract, to_json
from tests.report.make_record import bare_record, full_record, unidentified_record

KEYS = [
    "schema_version",
    "question",
    "framing",
    "identification",
    "estimates",
    "refutations",
    "sensitivity",
    "decision",
    "diagnostics",
    "provenance",
]
ESTIMATE_KEYS = {
    "estimator",
    "strategy",
    "estimand",
    "term",
    "estimate",
    "std_error",
    "p_value",
    "conf_low",
    "conf_high",
    "n",
}


def refuse(constant: str) -> Never:
    raise AssertionError(f"{constant} is not JSON")


def test_has_exactly_the_promised_keys() -> None:
    for record in (full_record(), bare_record(), unidentified_record()):
        assert list(contract(record)) == KEYS
        assert contract(record)["schema_version"] == "1.0"


def test_is_strict_json_without_nan() -> None:
    for record in (full_record(), bare_record(), unidentified_record()):
        text = to_json(record)
        assert json.loads(text, parse_constant=refuse) == json.loads(json.dumps(contract(record)))


def test_identification_is_what_identify_prints() -> None:
    record = full_record()
    assert contract(record)["identification"] == record.identification.to_dict()


def test_estimates_include_the_naive_difference_marked_as_such() -> None:
    estimates = contract(full_record())["estimates"]
    assert all(set(e) >= ESTIMATE_KEYS for e in estimates)
    assert [e["strategy"] for e in estimates] == ["adjustment", "adjustment", "none (naive)"]
    assert [e["estimand"] for e in estimates] == ["ATE", "VWE", "association"]


def test_numbers_are_those_of_the_stages() -> None:
    record = full_record()
    found = contract(record)
    assert found["estimates"][0]["estimate"] == float(record.estimates.primary.result.value[0])
    assert [r["check"] for r in found["refutations"]] == [r.check for r in record.refutations]
    assert {s["analysis"] for s in found["sensitivity"]} == {"omitted_variable_bounds", "e_value"}
    assert found["decision"]["recommendation"] == "treat_all"
    assert "figure" not in found["decision"]
    assert found["provenance"]["command"] == "butfor run study.yaml --seed 3"


def test_stages_that_were_not_run_are_empty() -> None:
    found = contract(bare_record())
    assert found["refutations"] == []
    assert found["sensitivity"] is None
    assert found["decision"] is None
    assert contract(unidentified_record())["estimates"] == []
