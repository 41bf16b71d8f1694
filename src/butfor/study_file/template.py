"""The study file that `butfor new` writes."""

TEMPLATE = """\
# A study answers one question. `butfor run study.yaml --report report.html` runs it.
title: Does the discount raise 90-day value?

question:
  treatment: discount            # column of what was done: two levels, several levels, or an amount
  outcome: value_90d             # column of what it may have changed
  # event: churned             # of an outcome that is a time: 1 where its event was seen, 0 where sight was lost
  estimand: ATE                  # ATE everyone, ATT the treated, ATC the untreated, ATO those in the overlap
  # contrast: [20, 0]            # treated level, reference level
  # modifiers: [segment]         # effects by subgroup
  text: Does the discount raise 90-day value?
  decision: Send the discount to everyone or to no one

data:
  path: customers.parquet        # CSV, Parquet, a glob such as sales/*.parquet, or a DuckDB file with table:
  missing: error                 # or drop: leave incomplete rows out, and report how many
  # weights: sampling_weight
  # cluster: household           # units that were sampled or treated together

# What causes what. `a <-> b` is a common cause that nobody measured, `u [latent]` a node that was not measured.
graph: |
  segment -> discount; segment -> value_90d
  tenure -> discount; tenure -> value_90d
  discount -> value_90d

# design: {kind: randomized, within: [country]}    # when chance assigned the treatment
# design: {kind: instrumented, instrument: offered, given: [age]}    # when something else moved it
# covariates: [segment, tenure]                    # instead of a graph, on your word

# The first estimator answers the question, the others check it. Leave this out for a sensible choice.
# estimators:
#   - aipw
#   - ipw: {powers: 2}
#   - ols

# negative_outcomes: [value_before]                # columns that the treatment cannot have changed
# mediators: [visits]                              # for natural_effects, controlled_direct_effect
refute: {enabled: true}
sensitivity: true

decision:
  value_per_unit: 1.0            # what one unit more of the outcome is worth
  cost_per_treated: 5.0
  units: 100000                  # how many units the decision is about

seed: 0
"""
