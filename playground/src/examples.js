// What a first visit opens. GraphiQL names a tab after its operation, and gives the first one no variables.

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
    # Null when a source does not tell how many it has.
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
      # The vendors' own figures, each in one unit for all of them;
      # what a vendor does not report is left out.
      aggregates(
        metrics: [{ kind: LATENCY }, { kind: COST }]
        basis: REPORTED
      ) {
        metric {
          name
          unit
        }
        # Over what they were taken: means over different
        # populations are not alike.
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
    # To read on, set endCursor as the variable after.
    pageInfo {
      hasNextPage
      endCursor
    }
    # How each source fared: one that fails costs only
    # its own rows, and says so here.
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
      # With it, experiment(id: ...) asks for this one.
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
          # One vocabulary for all vendors, and beside
          # it the vendor's own word.
          status
          vendorStatus
          latencyMs
          firstTokenMs
          # Null: the vendor does not say. 0: zero.
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

const sourcesAndTheirHealth = `# Every configured source: what its vendor does itself,
# and how it is doing now.
query SourcesAndTheirHealth {
  sources {
    name
    vendor
    # All else the gateway does after fetching.
    capabilities {
      experimentOrders
      experimentFilters
      sessionOrders
      sessionFilters
      reportedMetrics
    }
    # An open circuit gives a failing vendor a rest.
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

const figuresOnOneScale = `# What each vendor reports, and what the gateway computes from the
# sessions of every experiment in the same way: only the latter may be
# put side by side, and complete says whether all sessions were read.
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
      # Reported where the vendor reports it, else computed.
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

const experimentsSideBySide = `# The same support questions, asked of three vendors' assistants.
# The Variables pane below names the demo's experiments; the id
# field of the other tabs' experiments gives your own.
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
        # From the first experiment, the baseline.
        delta
        ratio
        aggregate {
          basis
          population
        }
        # How the baseline's test cases turned out here.
        cases {
          improved
          regressed
          equal
          missing
        }
      }
    }
    # Case by case: those that some experiment answers faster.
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

export const newTab = `# Ctrl-Space completes, hovering explains, Ctrl-Enter runs.
`;
