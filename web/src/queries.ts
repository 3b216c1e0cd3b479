// Every document of the pages. The build writes their hashes into the package: no page sends another document.
import type { TypedDocumentNode } from 'urql';
import { gql } from 'urql';
import { graphql } from './generated/gql';
import type { TypedDocumentString } from './generated/graphql';

/** Texts are smaller than syntax trees, so the browser parses them. */
function parsed<Data, Variables extends object>(
  text: TypedDocumentString<Data, Variables>,
): TypedDocumentNode<Data, Variables> {
  return gql(text.toString()) as unknown as TypedDocumentNode<Data, Variables>;
}

export const SourceNames = parsed(
  graphql(`
    query SourceNames {
      sources {
        id
        name
        vendor
      }
    }
  `),
);

export const Facets = parsed(
  graphql(`
    query Facets {
      experimentFacets(of: [KIND, DATASET_NAME, AGENT_NAME, MODEL, EVALUATOR]) {
        field
        complete
        values {
          value
          count
        }
      }
    }
  `),
);

graphql(`
  fragment Figure on Aggregate {
    metric {
      kind
      evaluator
      name
      unit
      betterWhen
    }
    basis
    population
    complete
    count
    sum
    mean
    median
    p90
    p95
    p99
    min
    max
  }
`);

graphql(`
  fragment ExperimentRow on Experiment {
    id
    name
    kind
    createdAt
    updatedAt
    sessionCount
    datasetName
    agentName
    models
    source {
      id
      name
      vendor
    }
    aggregates(basis: REPORTED) {
      ...Figure
    }
  }
`);

graphql(`
  fragment Report on SourceReport {
    source {
      id
      name
    }
    status
    skipped
    error {
      code
      message
    }
  }
`);

// The rows of one source. The first page of every source comes with one operation, each source in a part of its own.
// The pages after it are read from the source that the merged list needs next.
graphql(`
  fragment SourceRows on Source {
    id
    name
    experiments(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
      nodes {
        ...ExperimentRow
      }
      pageInfo {
        hasNextPage
        endCursor
      }
      totalCount
      isComplete
      sources {
        ...Report
      }
    }
  }
`);

export const FirstPages = parsed(
  graphql(`
    query FirstPages($ids: [ID!]!, $first: Int!, $after: String, $filter: ExperimentFilter, $orderBy: ExperimentOrder) {
      nodes(ids: $ids) {
        ... on Source {
          id
          ...SourceRows @defer
        }
      }
    }
  `),
);

export const SourcePage = parsed(
  graphql(`
    query SourcePage($id: ID!, $first: Int!, $after: String, $filter: ExperimentFilter, $orderBy: ExperimentOrder) {
      node(id: $id) {
        ...SourceRows
      }
    }
  `),
);

export const ComputedFigures = parsed(
  graphql(`
    query ComputedFigures($id: ID!) {
      experiment(id: $id) {
        id
        aggregates(basis: COMPUTED) {
          ...Figure
        }
      }
    }
  `),
);

export const Names = parsed(
  graphql(`
    query Names($ids: [ID!]!) {
      nodes(ids: $ids) {
        ... on Experiment {
          id
          name
          evaluators
          source {
            id
            name
            vendor
          }
        }
      }
    }
  `),
);

export const Comparison = parsed(
  graphql(`
    query Comparison(
      $ids: [ID!]!
      $baseline: ID
      $metrics: [MetricInput!]
      $statistic: Statistic!
      $basis: AggregateBasis!
      $joinOn: CaseKey!
    ) {
      comparison(
        experimentIds: $ids
        baselineId: $baseline
        metrics: $metrics
        statistic: $statistic
        basis: $basis
        joinOn: $joinOn
      ) {
        baseline {
          id
        }
        experiments {
          id
          name
          source {
            id
            name
            vendor
          }
        }
        missingIds
        metrics {
          metric {
            kind
            evaluator
            name
            unit
            betterWhen
          }
          statistic
          best {
            id
          }
          entries {
            experiment {
              id
            }
            value
            delta
            ratio
            aggregate {
              basis
              population
              complete
            }
            cases {
              improved
              regressed
              equal
              missing
            }
          }
        }
        sources {
          ...Report
        }
      }
    }
  `),
);

export const Cases = parsed(
  graphql(`
    query Cases(
      $ids: [ID!]!
      $baseline: ID
      $joinOn: CaseKey!
      $metric: MetricInput!
      $outcome: CaseOutcome
      $text: String
      $orderBy: CaseOrder
      $first: Int!
      $after: String
    ) {
      comparison(experimentIds: $ids, baselineId: $baseline, joinOn: $joinOn) {
        experiments {
          id
          name
        }
        cases(metric: $metric, outcome: $outcome, text: $text, orderBy: $orderBy, first: $first, after: $after) {
          totalCount
          nodes {
            id
            key
            entries {
              experiment {
                id
              }
              value
              delta
              outcome
            }
          }
          pageInfo {
            hasNextPage
            endCursor
          }
        }
        sources {
          ...Report
        }
      }
    }
  `),
);

export const CaseTexts = parsed(
  graphql(`
    query CaseTexts($id: ID!) {
      node(id: $id) {
        ... on CaseComparison {
          id
          key
          entries {
            experiment {
              id
              name
              source {
                id
                name
              }
            }
            value
            delta
            outcome
            sessions {
              id
              status
              latencyMs
              costUsd
              input
              output
              error
              tokens {
                total
              }
              scores {
                evaluator
                value
                label
                failed
              }
            }
          }
        }
      }
    }
  `),
);

export const Spread = parsed(
  graphql(`
    query Spread($ids: [ID!]!, $metric: MetricInput!) {
      nodes(ids: $ids) {
        ... on Experiment {
          id
          name
          aggregate(metric: $metric, basis: COMPUTED) {
            count
            min
            p25
            median
            p75
            p90
            max
            complete
          }
        }
      }
    }
  `),
);

export const Histograms = parsed(
  graphql(`
    query Histograms($ids: [ID!]!, $metric: MetricInput!, $lower: Float!, $upper: Float!) {
      nodes(ids: $ids) {
        ... on Experiment {
          id
          name
          aggregate(metric: $metric, basis: COMPUTED) {
            histogram(bins: 24, lower: $lower, upper: $upper) {
              lower
              upper
              count
            }
          }
        }
      }
    }
  `),
);

export const CostAndQuality = parsed(
  graphql(`
    query CostAndQuality($ids: [ID!]!, $quality: MetricInput!) {
      nodes(ids: $ids) {
        ... on Experiment {
          id
          name
          cost: aggregate(metric: { kind: COST }, basis: COMPUTED) {
            mean
          }
          quality: aggregate(metric: $quality, basis: COMPUTED) {
            metric {
              name
              unit
            }
            mean
          }
        }
      }
    }
  `),
);

export const ExperimentDetails = parsed(
  graphql(`
    query ExperimentDetails($id: ID!) {
      experiment(id: $id) {
        id
        vendorId
        name
        description
        kind
        createdAt
        updatedAt
        endedAt
        sessionCount
        progress
        vendorStatus
        url
        sourceUrl
        agentName
        agentVersion
        datasetName
        datasetVersion
        models
        evaluators
        source {
          id
          name
          vendor
        }
        aggregates(basis: BEST) {
          ...Figure
        }
        oldest: sessions(first: 1, orderBy: { field: STARTED_AT, direction: ASC }) {
          nodes {
            id
            startedAt
          }
        }
        newest: sessions(first: 1, orderBy: { field: STARTED_AT, direction: DESC }) {
          nodes {
            id
            startedAt
          }
        }
      }
    }
  `),
);

export const Series = parsed(
  graphql(`
    query Series($id: ID!, $interval: TimeInterval!, $range: ClosedDateTimeRange!, $timeZone: String!) {
      experiment(id: $id) {
        id
        timeSeries(
          metrics: [{ kind: LATENCY }, { kind: COST }]
          interval: $interval
          range: $range
          timeZone: $timeZone
        ) {
          complete
          buckets {
            start
            end
            sessionCount
            errorCount
            aggregates {
              metric {
                kind
              }
              median
              p95
              sum
            }
          }
        }
      }
    }
  `),
);

export const Groups = parsed(
  graphql(`
    query Groups($id: ID!, $by: SessionDimension!) {
      experiment(id: $id) {
        id
        sessionGroups(by: $by, metrics: [{ kind: LATENCY }, { kind: COST }, { kind: ERROR_RATE }]) {
          complete
          otherCount
          groups {
            key
            sessionCount
            aggregates {
              ...Figure
            }
          }
        }
      }
    }
  `),
);

export const Sessions = parsed(
  graphql(`
    query Sessions($id: ID!, $first: Int!, $after: String, $filter: ExperimentSessionFilter, $orderBy: SessionOrder) {
      experiment(id: $id) {
        id
        sessions(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
          totalCount
          isComplete
          nodes {
            id
            name
            vendorId
            status
            vendorStatus
            startedAt
            latencyMs
            costUsd
            models
            agentVersion
            testCaseId
            tokens {
              total
            }
            scores {
              evaluator
              value
              label
              failed
            }
          }
          pageInfo {
            hasNextPage
            endCursor
          }
          sources {
            ...Report
          }
        }
      }
    }
  `),
);

export const SessionDetails = parsed(
  graphql(`
    query SessionDetails($id: ID!) {
      session(id: $id) {
        id
        vendorId
        name
        status
        vendorStatus
        startedAt
        endedAt
        latencyMs
        firstTokenMs
        costUsd
        inputCostUsd
        outputCostUsd
        agentName
        agentVersion
        models
        testCaseId
        conversationId
        messageCount
        url
        input
        output
        error
        tokens {
          input
          output
          cached
          reasoning
          total
        }
        scores {
          evaluator
          value
          label
          explanation
          failed
        }
        source {
          id
          name
          vendor
          capabilities {
            spans
          }
        }
        experiment {
          id
          name
        }
      }
    }
  `),
);

export const Spans = parsed(
  graphql(`
    query Spans($id: ID!, $first: Int!, $after: String) {
      session(id: $id) {
        id
        spans(first: $first, after: $after) {
          totalCount
          nodes {
            id
            parentId
            depth
            kind
            vendorKind
            name
            status
            startedAt
            endedAt
            latencyMs
            costUsd
            model
            toolName
            tokens {
              total
            }
          }
          pageInfo {
            hasNextPage
            endCursor
          }
        }
      }
    }
  `),
);

export const SpanDetails = parsed(
  graphql(`
    query SpanDetails($id: ID!) {
      node(id: $id) {
        ... on Span {
          id
          vendorId
          kind
          vendorKind
          name
          status
          startedAt
          latencyMs
          firstTokenMs
          costUsd
          model
          provider
          toolName
          agentName
          tokens {
            input
            output
            cached
            reasoning
            total
          }
          input
          output
          error
          metadata
          scores {
            evaluator
            value
            label
            explanation
            failed
          }
        }
      }
    }
  `),
);

export const SourceStates = parsed(
  graphql(`
    query SourceStates {
      gateway {
        version
        limits {
          defaultFirst
          maxFirst
          maxDepth
          maxAliases
          maxCost
          deadlineMs
        }
      }
      sources {
        id
        name
        vendor
        apiVersion
        rateLimits {
          kind
          calls
          perSeconds
        }
      }
    }
  `),
);

export const SourceState = parsed(
  graphql(`
    query SourceState($id: ID!) {
      node(id: $id) {
        ... on Source {
          id
          health {
            status
            circuit
            checkedAt
            lastError {
              code
              message
            }
          }
          apiVersion
          capabilities {
            experimentOrders
            sessionOrders
            experimentFilters
            sessionFilters
            reportedMetrics
            spans
          }
        }
      }
    }
  `),
);
