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
    # The report of each source. A source that fails is
    # FAILED, and the rows of the other sources stay.
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
    # False when a source FAILED on this page.
    isComplete
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
      # The vendors' own figures, all in the same units.
      # A metric that a vendor does not report is absent.
      aggregates(
        metrics: [{ kind: LATENCY }, { kind: COST }]
        basis: REPORTED
      ) {
        metric {
          name
          unit
        }
        # The rows that the figure covers: means over
        # different populations are not comparable.
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
    # For the next page, set the variable after to the
    # endCursor.
    pageInfo {
      hasNextPage
      endCursor
    }
  }
}
`;

const leaderboard = `# The fastest experiments of all sources, by the median
# latency that each vendor reports. Experiments without
# the figure come last.
query Leaderboard(
  $kind: MetricKind! = LATENCY
  $statistic: Statistic = MEDIAN
) {
  experiments(
    first: 6
    orderBy: {
      field: METRIC
      metric: { kind: $kind }
      statistic: $statistic
      direction: ASC
    }
  ) {
    sources {
      source {
        name
      }
      status
      fetched
    }
    isComplete
    nodes {
      name
      source {
        vendor
      }
      reported: aggregate(metric: { kind: $kind }) {
        population
        mean
        median
        p99
      }
      # Computed from the sessions, in the same way for
      # all vendors: only these figures are comparable.
      # complete: whether all sessions were read.
      computed: aggregate(
        metric: { kind: $kind }
        basis: COMPUTED
      ) {
        population
        count
        mean
        median
        p99
        complete
      }
      # Reported if the vendor reports the metric, else
      # computed.
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

const filtersAndFacets = `# The slowest sessions that failed, and the values for the
# menus of a page with filters.
query FiltersAndFacets($minLatencyMs: Float = 1000) {
  sessions(
    first: 5
    # How many of each source's most recently active
    # experiments to read, as the filter names none.
    activeExperiments: 5
    filter: {
      statuses: [ERROR]
      latencyMs: { gte: $minLatencyMs }
      agentName: { notIn: ["sandbox"] }
    }
    orderBy: { field: LATENCY, direction: DESC }
  ) {
    # SCAN_LIMITED: not all of its sessions were read.
    sources {
      source {
        name
      }
      status
      fetched
      upstreamRequests
    }
    isComplete
    nodes {
      name
      latencyMs
      agentName
      error
      experiment {
        name
      }
    }
    pageInfo {
      hasNextPage
      endCursor
    }
  }
  experimentFacets(
    of: [VENDOR, KIND, DATASET_NAME, MODEL]
    filter: { name: { notIn: ["playground"] } }
  ) {
    field
    # False when not all experiments were read.
    complete
    # Null: the experiments without any value.
    values {
      value
      count
    }
  }
}
`;

const oneExperiment = `# The newest experiment whose name contains $name, and
# its most expensive sessions. The Variables pane below
# sets $name: an empty $name matches every experiment.
query OneExperiment(
  $name: String!
  $first: Int!
) {
  experiments(
    first: 1
    filter: { name: { contains: $name } }
    orderBy: { field: CREATED_AT, direction: DESC }
  ) {
    sources {
      source {
        name
      }
      status
    }
    isComplete
    nodes {
      # experiment(id: ...) reads it by this ID.
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
        # Other conditions: text, score, metadata.
        filter: { totalTokens: { gte: 100 } }
        orderBy: { field: COST, direction: DESC }
      ) {
        sources {
          status
          fetched
          upstreamRequests
        }
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

const pagingBack = `# The last page of the list has the oldest experiments.
# For the page before it, set the variable before to the
# startCursor.
query PagingBack($last: Int = 5, $before: String) {
  experiments(
    last: $last
    before: $before
    orderBy: { field: CREATED_AT, direction: DESC }
  ) {
    sources {
      source {
        name
      }
      status
      # Rows that could not be read and are left out.
      skipped
    }
    isComplete
    nodes {
      name
      createdAt
      source {
        name
      }
    }
    pageInfo {
      hasPreviousPage
      startCursor
    }
  }
}
`;

const experimentsSideBySide = `# Assistants of three vendors with the same questions.
# The Variables pane below has the IDs of the demo. The
# field id of experiments has the IDs of yours.
query ExperimentsSideBySide(
  $experimentIds: [ID!]!
  $joinOn: CaseKey = INPUT
) {
  comparison(
    experimentIds: $experimentIds
    metrics: [{ kind: LATENCY }, { kind: TOTAL_TOKENS }]
    joinOn: $joinOn
  ) {
    sources {
      source {
        name
      }
      status
      fetched
      upstreamRequests
    }
    # The IDs that no source knows.
    missingIds
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
        # The difference from the first experiment.
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
  }
}
`;

const sourcesAndGateway = `# Every source: its health, the calls that it allows, and
# what its vendor filters and sorts. Then the limits of
# the gateway.
query SourcesAndGateway {
  sources {
    name
    vendor
    apiVersion
    # While the circuit is OPEN, no calls are sent.
    health {
      status
      circuit
      checkedAt
      lastError {
        code
        message
        retryable
        reference
      }
    }
    rateLimits {
      kind
      calls
      perSeconds
    }
    # The gateway applies other filters and orders itself.
    capabilities {
      experimentOrders
      experimentFilters
      sessionOrders
      sessionFilters
      reportedMetrics
    }
  }
  gateway {
    version
    limits {
      defaultFirst
      maxFirst
      maxDepth
      maxAliases
      # In rows. A call to a vendor costs 10 rows.
      maxCost
      deadlineMs
    }
  }
}
`;

const asTheyCome = `# Each source in a fragment of its own, which is shown when
# the source has replied. A slow source delays no other.
query RowsAsTheyCome($first: Int = 5) {
  sources {
    name
    vendor
  }
  ... @defer(label: "nemo") {
    nemo: experiments(
      first: $first
      filter: { sources: ["nemo"] }
    ) {
      ...Rows
    }
  }
  ... @defer(label: "langsmith") {
    langsmith: experiments(
      first: $first
      filter: { sources: ["langsmith"] }
    ) {
      ...Rows
    }
  }
  ... @defer(label: "meibel") {
    meibel: experiments(
      first: $first
      filter: { sources: ["meibel"] }
    ) {
      ...Rows
    }
  }
}

fragment Rows on ExperimentConnection {
  # The report says why a list is not complete.
  sources {
    status
    durationMs
    error {
      message
    }
  }
  nodes {
    name
    createdAt
    # These come after the names, in parts of their own.
    ... @defer {
      sessionCount
      sessions(first: 2) {
        nodes {
          name
          status
        }
      }
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
  { query: leaderboard },
  { query: filtersAndFacets },
  { query: oneExperiment, variables: JSON.stringify({ name: '', first: 10 }, null, 2) },
  { query: pagingBack },
  { query: experimentsSideBySide, variables: JSON.stringify({ experimentIds: demoExperiments }, null, 2) },
  { query: sourcesAndGateway },
  { query: asTheyCome },
];

export const newTab = `# Type a query in place of this one.
# Ctrl-Space lists the fields. Ctrl-Enter runs the query.
# Hovering over a name shows its documentation.
query NewTab {
  sources {
    name
    health {
      status
    }
  }
}
`;
