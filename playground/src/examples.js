// The tabs of a first visit. GraphiQL names a tab after its operation, and gives the first tab no variables.

const everythingAcrossVendors = `# The newest experiments of every source, in one order.
# The pink button or Ctrl-Enter runs it.
query EverythingAcrossVendors(
  $first: Int = 10
  $after: String
) {
  experiments(
    first: $first
    after: $after
    orderBy: { field: CREATED_AT, direction: DESC }
  ) {
    # Null when a source does not provide its total.
    totalCount
    nodes {
      name
      kind
      createdAt
      sessionCount
      source {
        name
        vendor
      }
      # The vendors' own figures, in the same units for all vendors.
      # A metric that a vendor does not report is left out.
      aggregates(
        metrics: [{ kind: LATENCY }, { kind: COST }]
        basis: REPORTED
      ) {
        metric {
          name
          unit
        }
        # The rows that the figure covers: means over different
        # populations are not comparable.
        population
        mean
        median
        p99
        sum
      }
      # The three latest sessions of each experiment.
      sessions(
        first: 3
        orderBy: { field: STARTED_AT, direction: DESC }
      ) {
        nodes {
          name
          status
          latencyMs
          costUsd
        }
      }
    }
    # For the next page, set the variable after to endCursor.
    pageInfo {
      hasNextPage
      endCursor
    }
    # The status of each source. A source that fails is FAILED
    # here; the rows of the other sources are complete.
    sources {
      source {
        name
      }
      status
      error {
        code
        message
      }
      fetched
      durationMs
    }
  }
}
`;

const oneExperimentWithItsSessions = `# The newest experiment whose name contains $name, and
# its latest sessions. The Variables pane below sets
# $name: while it is empty, every experiment matches.
query OneExperimentWithItsSessions(
  $name: String!
  $first: Int!
) {
  experiments(
    first: 1
    filter: { name: { contains: $name } }
    orderBy: { field: CREATED_AT, direction: DESC }
  ) {
    nodes {
      # experiment(id: ...) reads this experiment by its ID.
      id
      name
      description
      kind
      agentName
      models
      source {
        name
        vendor
      }
      sessions(
        first: $first
        orderBy: { field: STARTED_AT, direction: DESC }
      ) {
        totalCount
        nodes {
          id
          startedAt
          # The same values for all vendors, and then the
          # vendor's own value.
          status
          vendorStatus
          latencyMs
          firstTokenMs
          # Null: the vendor does not provide it. 0: zero.
          tokens {
            input
            output
            cached
            total
          }
          costUsd
          scores {
            evaluator
            value
          }
          input
          output
          error
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }
}
`;

const sourcesAndTheirHealth = `# Every configured source: the filters, orders and metrics of
# its vendor, and its health.
query SourcesAndTheirHealth {
  sources {
    name
    vendor
    # The gateway applies other filters and orders after fetching.
    capabilities {
      experimentOrders
      experimentFilters
      sessionOrders
      sessionFilters
      reportedMetrics
    }
    # While the circuit is OPEN, the gateway sends no calls.
    health {
      status
      circuit
      checkedAt
      lastError {
        code
        message
        retryable
      }
    }
  }
}
`;

const figuresOnOneScale = `# The figures that each vendor reports, and those that the gateway
# computes from the sessions in the same way for every vendor. Only
# computed figures are comparable. complete is false when the
# gateway did not read all sessions.
query FiguresOnOneScale {
  experiments(first: 6) {
    nodes {
      name
      source {
        vendor
      }
      reported: aggregate(metric: { kind: LATENCY }) {
        population
        mean
        median
        p99
      }
      computed: aggregate(metric: { kind: LATENCY }, basis: COMPUTED) {
        population
        count
        mean
        median
        p99
        complete
      }
      # Reported if the vendor reports the metric, else computed.
      best: aggregates(basis: BEST) {
        metric {
          name
          unit
        }
        basis
        sum
        mean
      }
    }
  }
}
`;

const experimentsSideBySide = `# Assistants of three vendors with the same support questions.
# The Variables pane below has the IDs of the demo's experiments.
# The id field in the other tabs returns the IDs of yours.
query ExperimentsSideBySide(
  $experimentIds: [ID!]!
  $joinOn: CaseKey! = INPUT
) {
  comparison(
    experimentIds: $experimentIds
    metrics: [{ kind: LATENCY }, { kind: TOTAL_TOKENS }]
    joinOn: $joinOn
  ) {
    metrics {
      metric {
        name
        unit
        betterWhen
      }
      best {
        name
      }
      entries {
        experiment {
          name
          source {
            vendor
          }
        }
        value
        # The difference from the first experiment, the baseline.
        delta
        ratio
        aggregate {
          basis
          population
        }
        # The outcomes of the baseline's test cases.
        cases {
          improved
          regressed
          equal
          missing
        }
      }
    }
    # The cases that are faster in some experiment.
    cases(metric: { kind: LATENCY }, outcome: IMPROVED, first: 5) {
      totalCount
      nodes {
        key
        entries {
          value
          outcome
          sessions {
            output
          }
        }
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
    sources {
      source {
        name
      }
      status
      fetched
      upstreamRequests
    }
  }
}
`;

const demoExperiments = [
  'RXhwZXJpbWVudDpuZW1vOnN1cHBvcnQtYmFzZWxpbmU=',
  'RXhwZXJpbWVudDpsYW5nc21pdGg6OTdiYjU4MmQtOTljZS01ZWMwLWFiYTAtYmYyMWZjNDM5ZTU4',
  'RXhwZXJpbWVudDptZWliZWw6YWdlbnQtYWFmOWM3YTA=',
];

export const examples = [
  { query: everythingAcrossVendors },
  { query: oneExperimentWithItsSessions, variables: JSON.stringify({ name: '', first: 10 }, null, 2) },
  { query: figuresOnOneScale },
  { query: experimentsSideBySide, variables: JSON.stringify({ experimentIds: demoExperiments }, null, 2) },
  { query: sourcesAndTheirHealth },
];

export const newTab = `# Ctrl-Space completes, hovering shows documentation, Ctrl-Enter runs.
`;
