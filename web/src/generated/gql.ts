/* eslint-disable */
import * as types from './graphql.js';



/**
 * Map of all GraphQL operations in the project.
 *
 * This map has several performance disadvantages:
 * 1. It is not tree-shakeable, so it will include all operations in the project.
 * 2. It is not minifiable, so the string of a GraphQL query will be multiple times inside the bundle.
 * 3. It does not support dead code elimination, so it will add unused operations.
 *
 * Therefore it is highly recommended to use the babel or swc plugin for production.
 * Learn more about it here: https://the-guild.dev/graphql/codegen/plugins/presets/preset-client#reducing-bundle-size
 */
type Documents = {
    "\n  query SourceNames {\n    sources { id name vendor }\n  }\n": typeof types.SourceNamesDocument,
    "\n  query Facets {\n    experimentFacets(of: [KIND, DATASET_NAME, AGENT_NAME, MODEL, EVALUATOR]) {\n      field complete\n      values { value count }\n    }\n  }\n": typeof types.FacetsDocument,
    "\n  fragment Figure on Aggregate {\n    metric { kind evaluator name unit betterWhen }\n    basis population complete count sum mean median p90 p95 p99 min max\n  }\n": typeof types.FigureFragmentDoc,
    "\n  fragment ExperimentRow on Experiment {\n    id name kind createdAt updatedAt sessionCount datasetName agentName models\n    source { id name vendor }\n    aggregates(basis: REPORTED) { ...Figure }\n  }\n": typeof types.ExperimentRowFragmentDoc,
    "\n  fragment Report on SourceReport {\n    source { id name }\n    status skipped\n    error { code message retryable }\n  }\n": typeof types.ReportFragmentDoc,
    "\n  fragment SourceRows on Source {\n    id name\n    experiments(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {\n      nodes { ...ExperimentRow }\n      pageInfo { hasNextPage endCursor }\n      totalCount isComplete\n      sources { ...Report }\n    }\n  }\n": typeof types.SourceRowsFragmentDoc,
    "\n  query SourcePage($id: ID!, $first: Int!, $after: String, $filter: ExperimentFilter, $orderBy: ExperimentOrder) {\n    node(id: $id) { ...SourceRows }\n  }\n": typeof types.SourcePageDocument,
    "\n  query ComputedFigures($id: ID!) {\n    experiment(id: $id) { id aggregates(basis: COMPUTED) { ...Figure } }\n  }\n": typeof types.ComputedFiguresDocument,
    "\n  query Names($ids: [ID!]!) {\n    nodes(ids: $ids) { ... on Experiment { id name evaluators source { id name vendor } } }\n  }\n": typeof types.NamesDocument,
    "\n  query Comparison(\n    $ids: [ID!]!, $baseline: ID, $metrics: [MetricInput!], $statistic: Statistic!, $basis: AggregateBasis!, $joinOn: CaseKey!\n  ) {\n    comparison(\n      experimentIds: $ids, baselineId: $baseline, metrics: $metrics, statistic: $statistic, basis: $basis, joinOn: $joinOn\n    ) {\n      baseline { id }\n      experiments { id name source { id name vendor } }\n      missingIds\n      metrics {\n        metric { kind evaluator name unit betterWhen }\n        statistic\n        best { id }\n        entries {\n          experiment { id }\n          value delta ratio\n          aggregate { basis population complete }\n          cases { improved regressed equal missing }\n        }\n      }\n      sources { ...Report }\n    }\n  }\n": typeof types.ComparisonDocument,
    "\n  query Cases(\n    $ids: [ID!]!, $baseline: ID, $joinOn: CaseKey!, $metric: MetricInput!, $outcome: CaseOutcome, $text: String,\n    $orderBy: CaseOrder, $first: Int!, $after: String\n  ) {\n    comparison(experimentIds: $ids, baselineId: $baseline, joinOn: $joinOn) {\n      experiments { id name }\n      cases(metric: $metric, outcome: $outcome, text: $text, orderBy: $orderBy, first: $first, after: $after) {\n        totalCount\n        nodes { id key entries { experiment { id } value delta outcome } }\n        pageInfo { hasNextPage endCursor }\n      }\n      sources { ...Report }\n    }\n  }\n": typeof types.CasesDocument,
    "\n  query CaseTexts($id: ID!) {\n    node(id: $id) {\n      ... on CaseComparison {\n        id key\n        entries {\n          experiment { id name source { id name } }\n          value delta outcome\n          sessions {\n            id status latencyMs costUsd input output error\n            tokens { total }\n            scores { evaluator value label failed }\n          }\n        }\n      }\n    }\n  }\n": typeof types.CaseTextsDocument,
    "\n  query Spread($ids: [ID!]!, $metric: MetricInput!) {\n    nodes(ids: $ids) {\n      ... on Experiment {\n        id name\n        aggregate(metric: $metric, basis: COMPUTED) { count min p25 median p75 p90 max complete }\n      }\n    }\n  }\n": typeof types.SpreadDocument,
    "\n  query Histograms($ids: [ID!]!, $metric: MetricInput!, $lower: Float!, $upper: Float!) {\n    nodes(ids: $ids) {\n      ... on Experiment {\n        id name\n        aggregate(metric: $metric, basis: COMPUTED) { histogram(bins: 24, lower: $lower, upper: $upper) { lower upper count } }\n      }\n    }\n  }\n": typeof types.HistogramsDocument,
    "\n  query CostAndQuality($ids: [ID!]!, $quality: MetricInput!) {\n    nodes(ids: $ids) {\n      ... on Experiment {\n        id name\n        cost: aggregate(metric: {kind: COST}, basis: COMPUTED) { mean }\n        quality: aggregate(metric: $quality, basis: COMPUTED) { metric { name unit } mean }\n      }\n    }\n  }\n": typeof types.CostAndQualityDocument,
    "\n  query ExperimentDetails($id: ID!) {\n    experiment(id: $id) {\n      id vendorId name description kind createdAt updatedAt endedAt sessionCount progress vendorStatus url sourceUrl\n      agentName agentVersion datasetName datasetVersion models evaluators\n      source { id name vendor }\n      aggregates(basis: BEST) { ...Figure }\n      oldest: sessions(first: 1, orderBy: {field: STARTED_AT, direction: ASC}) { nodes { id startedAt } }\n      newest: sessions(first: 1, orderBy: {field: STARTED_AT, direction: DESC}) { nodes { id startedAt } }\n    }\n  }\n": typeof types.ExperimentDetailsDocument,
    "\n  query Series($id: ID!, $interval: TimeInterval!, $range: ClosedDateTimeRange!, $timeZone: String!) {\n    experiment(id: $id) {\n      id\n      timeSeries(metrics: [{kind: LATENCY}, {kind: COST}], interval: $interval, range: $range, timeZone: $timeZone) {\n        complete\n        buckets { start end sessionCount errorCount aggregates { metric { kind } median p95 sum } }\n      }\n    }\n  }\n": typeof types.SeriesDocument,
    "\n  query Groups($id: ID!, $by: SessionDimension!) {\n    experiment(id: $id) {\n      id\n      sessionGroups(by: $by, metrics: [{kind: LATENCY}, {kind: COST}, {kind: ERROR_RATE}]) {\n        complete otherCount\n        groups { key sessionCount aggregates { ...Figure } }\n      }\n    }\n  }\n": typeof types.GroupsDocument,
    "\n  query Sessions($id: ID!, $first: Int!, $after: String, $filter: ExperimentSessionFilter, $orderBy: SessionOrder) {\n    experiment(id: $id) {\n      id\n      sessions(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {\n        totalCount isComplete\n        nodes { id name vendorId status vendorStatus startedAt latencyMs costUsd models agentVersion testCaseId tokens { total } scores { evaluator value label failed } }\n        pageInfo { hasNextPage endCursor }\n        sources { ...Report }\n      }\n    }\n  }\n": typeof types.SessionsDocument,
    "\n  query SessionDetails($id: ID!) {\n    session(id: $id) {\n      id vendorId name status vendorStatus startedAt endedAt latencyMs firstTokenMs costUsd inputCostUsd outputCostUsd\n      agentName agentVersion models testCaseId conversationId messageCount url input output error\n      tokens { input output cached reasoning total }\n      scores { evaluator value label explanation failed }\n      source { id name vendor capabilities { spans } }\n      experiment { id name }\n    }\n  }\n": typeof types.SessionDetailsDocument,
    "\n  query Spans($id: ID!, $first: Int!, $after: String) {\n    session(id: $id) {\n      id\n      spans(first: $first, after: $after) {\n        totalCount\n        nodes { id parentId depth kind vendorKind name status startedAt endedAt latencyMs costUsd model toolName tokens { total } }\n        pageInfo { hasNextPage endCursor }\n      }\n    }\n  }\n": typeof types.SpansDocument,
    "\n  query SpanDetails($id: ID!) {\n    node(id: $id) {\n      ... on Span {\n        id vendorId kind vendorKind name status startedAt latencyMs firstTokenMs costUsd model provider toolName agentName\n        tokens { input output cached reasoning total }\n        input output error metadata\n        scores { evaluator value label explanation failed }\n      }\n    }\n  }\n": typeof types.SpanDetailsDocument,
    "\n  query SourceStates {\n    gateway { version limits { defaultFirst maxFirst maxDepth maxAliases maxCost deadlineMs } }\n    sources { id name vendor apiVersion rateLimits { kind calls perSeconds } }\n  }\n": typeof types.SourceStatesDocument,
    "\n  query SourceState($id: ID!) {\n    node(id: $id) {\n      ... on Source {\n        id\n        health { status circuit checkedAt lastError { code message retryable } }\n        apiVersion\n        capabilities { experimentOrders sessionOrders experimentFilters sessionFilters reportedMetrics spans }\n      }\n    }\n  }\n": typeof types.SourceStateDocument,
};
const documents: Documents = {
    "\n  query SourceNames {\n    sources { id name vendor }\n  }\n": types.SourceNamesDocument,
    "\n  query Facets {\n    experimentFacets(of: [KIND, DATASET_NAME, AGENT_NAME, MODEL, EVALUATOR]) {\n      field complete\n      values { value count }\n    }\n  }\n": types.FacetsDocument,
    "\n  fragment Figure on Aggregate {\n    metric { kind evaluator name unit betterWhen }\n    basis population complete count sum mean median p90 p95 p99 min max\n  }\n": types.FigureFragmentDoc,
    "\n  fragment ExperimentRow on Experiment {\n    id name kind createdAt updatedAt sessionCount datasetName agentName models\n    source { id name vendor }\n    aggregates(basis: REPORTED) { ...Figure }\n  }\n": types.ExperimentRowFragmentDoc,
    "\n  fragment Report on SourceReport {\n    source { id name }\n    status skipped\n    error { code message retryable }\n  }\n": types.ReportFragmentDoc,
    "\n  fragment SourceRows on Source {\n    id name\n    experiments(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {\n      nodes { ...ExperimentRow }\n      pageInfo { hasNextPage endCursor }\n      totalCount isComplete\n      sources { ...Report }\n    }\n  }\n": types.SourceRowsFragmentDoc,
    "\n  query SourcePage($id: ID!, $first: Int!, $after: String, $filter: ExperimentFilter, $orderBy: ExperimentOrder) {\n    node(id: $id) { ...SourceRows }\n  }\n": types.SourcePageDocument,
    "\n  query ComputedFigures($id: ID!) {\n    experiment(id: $id) { id aggregates(basis: COMPUTED) { ...Figure } }\n  }\n": types.ComputedFiguresDocument,
    "\n  query Names($ids: [ID!]!) {\n    nodes(ids: $ids) { ... on Experiment { id name evaluators source { id name vendor } } }\n  }\n": types.NamesDocument,
    "\n  query Comparison(\n    $ids: [ID!]!, $baseline: ID, $metrics: [MetricInput!], $statistic: Statistic!, $basis: AggregateBasis!, $joinOn: CaseKey!\n  ) {\n    comparison(\n      experimentIds: $ids, baselineId: $baseline, metrics: $metrics, statistic: $statistic, basis: $basis, joinOn: $joinOn\n    ) {\n      baseline { id }\n      experiments { id name source { id name vendor } }\n      missingIds\n      metrics {\n        metric { kind evaluator name unit betterWhen }\n        statistic\n        best { id }\n        entries {\n          experiment { id }\n          value delta ratio\n          aggregate { basis population complete }\n          cases { improved regressed equal missing }\n        }\n      }\n      sources { ...Report }\n    }\n  }\n": types.ComparisonDocument,
    "\n  query Cases(\n    $ids: [ID!]!, $baseline: ID, $joinOn: CaseKey!, $metric: MetricInput!, $outcome: CaseOutcome, $text: String,\n    $orderBy: CaseOrder, $first: Int!, $after: String\n  ) {\n    comparison(experimentIds: $ids, baselineId: $baseline, joinOn: $joinOn) {\n      experiments { id name }\n      cases(metric: $metric, outcome: $outcome, text: $text, orderBy: $orderBy, first: $first, after: $after) {\n        totalCount\n        nodes { id key entries { experiment { id } value delta outcome } }\n        pageInfo { hasNextPage endCursor }\n      }\n      sources { ...Report }\n    }\n  }\n": types.CasesDocument,
    "\n  query CaseTexts($id: ID!) {\n    node(id: $id) {\n      ... on CaseComparison {\n        id key\n        entries {\n          experiment { id name source { id name } }\n          value delta outcome\n          sessions {\n            id status latencyMs costUsd input output error\n            tokens { total }\n            scores { evaluator value label failed }\n          }\n        }\n      }\n    }\n  }\n": types.CaseTextsDocument,
    "\n  query Spread($ids: [ID!]!, $metric: MetricInput!) {\n    nodes(ids: $ids) {\n      ... on Experiment {\n        id name\n        aggregate(metric: $metric, basis: COMPUTED) { count min p25 median p75 p90 max complete }\n      }\n    }\n  }\n": types.SpreadDocument,
    "\n  query Histograms($ids: [ID!]!, $metric: MetricInput!, $lower: Float!, $upper: Float!) {\n    nodes(ids: $ids) {\n      ... on Experiment {\n        id name\n        aggregate(metric: $metric, basis: COMPUTED) { histogram(bins: 24, lower: $lower, upper: $upper) { lower upper count } }\n      }\n    }\n  }\n": types.HistogramsDocument,
    "\n  query CostAndQuality($ids: [ID!]!, $quality: MetricInput!) {\n    nodes(ids: $ids) {\n      ... on Experiment {\n        id name\n        cost: aggregate(metric: {kind: COST}, basis: COMPUTED) { mean }\n        quality: aggregate(metric: $quality, basis: COMPUTED) { metric { name unit } mean }\n      }\n    }\n  }\n": types.CostAndQualityDocument,
    "\n  query ExperimentDetails($id: ID!) {\n    experiment(id: $id) {\n      id vendorId name description kind createdAt updatedAt endedAt sessionCount progress vendorStatus url sourceUrl\n      agentName agentVersion datasetName datasetVersion models evaluators\n      source { id name vendor }\n      aggregates(basis: BEST) { ...Figure }\n      oldest: sessions(first: 1, orderBy: {field: STARTED_AT, direction: ASC}) { nodes { id startedAt } }\n      newest: sessions(first: 1, orderBy: {field: STARTED_AT, direction: DESC}) { nodes { id startedAt } }\n    }\n  }\n": types.ExperimentDetailsDocument,
    "\n  query Series($id: ID!, $interval: TimeInterval!, $range: ClosedDateTimeRange!, $timeZone: String!) {\n    experiment(id: $id) {\n      id\n      timeSeries(metrics: [{kind: LATENCY}, {kind: COST}], interval: $interval, range: $range, timeZone: $timeZone) {\n        complete\n        buckets { start end sessionCount errorCount aggregates { metric { kind } median p95 sum } }\n      }\n    }\n  }\n": types.SeriesDocument,
    "\n  query Groups($id: ID!, $by: SessionDimension!) {\n    experiment(id: $id) {\n      id\n      sessionGroups(by: $by, metrics: [{kind: LATENCY}, {kind: COST}, {kind: ERROR_RATE}]) {\n        complete otherCount\n        groups { key sessionCount aggregates { ...Figure } }\n      }\n    }\n  }\n": types.GroupsDocument,
    "\n  query Sessions($id: ID!, $first: Int!, $after: String, $filter: ExperimentSessionFilter, $orderBy: SessionOrder) {\n    experiment(id: $id) {\n      id\n      sessions(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {\n        totalCount isComplete\n        nodes { id name vendorId status vendorStatus startedAt latencyMs costUsd models agentVersion testCaseId tokens { total } scores { evaluator value label failed } }\n        pageInfo { hasNextPage endCursor }\n        sources { ...Report }\n      }\n    }\n  }\n": types.SessionsDocument,
    "\n  query SessionDetails($id: ID!) {\n    session(id: $id) {\n      id vendorId name status vendorStatus startedAt endedAt latencyMs firstTokenMs costUsd inputCostUsd outputCostUsd\n      agentName agentVersion models testCaseId conversationId messageCount url input output error\n      tokens { input output cached reasoning total }\n      scores { evaluator value label explanation failed }\n      source { id name vendor capabilities { spans } }\n      experiment { id name }\n    }\n  }\n": types.SessionDetailsDocument,
    "\n  query Spans($id: ID!, $first: Int!, $after: String) {\n    session(id: $id) {\n      id\n      spans(first: $first, after: $after) {\n        totalCount\n        nodes { id parentId depth kind vendorKind name status startedAt endedAt latencyMs costUsd model toolName tokens { total } }\n        pageInfo { hasNextPage endCursor }\n      }\n    }\n  }\n": types.SpansDocument,
    "\n  query SpanDetails($id: ID!) {\n    node(id: $id) {\n      ... on Span {\n        id vendorId kind vendorKind name status startedAt latencyMs firstTokenMs costUsd model provider toolName agentName\n        tokens { input output cached reasoning total }\n        input output error metadata\n        scores { evaluator value label explanation failed }\n      }\n    }\n  }\n": types.SpanDetailsDocument,
    "\n  query SourceStates {\n    gateway { version limits { defaultFirst maxFirst maxDepth maxAliases maxCost deadlineMs } }\n    sources { id name vendor apiVersion rateLimits { kind calls perSeconds } }\n  }\n": types.SourceStatesDocument,
    "\n  query SourceState($id: ID!) {\n    node(id: $id) {\n      ... on Source {\n        id\n        health { status circuit checkedAt lastError { code message retryable } }\n        apiVersion\n        capabilities { experimentOrders sessionOrders experimentFilters sessionFilters reportedMetrics spans }\n      }\n    }\n  }\n": types.SourceStateDocument,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query SourceNames {\n    sources { id name vendor }\n  }\n"): typeof import('./graphql.js').SourceNamesDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Facets {\n    experimentFacets(of: [KIND, DATASET_NAME, AGENT_NAME, MODEL, EVALUATOR]) {\n      field complete\n      values { value count }\n    }\n  }\n"): typeof import('./graphql.js').FacetsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  fragment Figure on Aggregate {\n    metric { kind evaluator name unit betterWhen }\n    basis population complete count sum mean median p90 p95 p99 min max\n  }\n"): typeof import('./graphql.js').FigureFragmentDoc;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  fragment ExperimentRow on Experiment {\n    id name kind createdAt updatedAt sessionCount datasetName agentName models\n    source { id name vendor }\n    aggregates(basis: REPORTED) { ...Figure }\n  }\n"): typeof import('./graphql.js').ExperimentRowFragmentDoc;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  fragment Report on SourceReport {\n    source { id name }\n    status skipped\n    error { code message retryable }\n  }\n"): typeof import('./graphql.js').ReportFragmentDoc;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  fragment SourceRows on Source {\n    id name\n    experiments(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {\n      nodes { ...ExperimentRow }\n      pageInfo { hasNextPage endCursor }\n      totalCount isComplete\n      sources { ...Report }\n    }\n  }\n"): typeof import('./graphql.js').SourceRowsFragmentDoc;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query SourcePage($id: ID!, $first: Int!, $after: String, $filter: ExperimentFilter, $orderBy: ExperimentOrder) {\n    node(id: $id) { ...SourceRows }\n  }\n"): typeof import('./graphql.js').SourcePageDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query ComputedFigures($id: ID!) {\n    experiment(id: $id) { id aggregates(basis: COMPUTED) { ...Figure } }\n  }\n"): typeof import('./graphql.js').ComputedFiguresDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Names($ids: [ID!]!) {\n    nodes(ids: $ids) { ... on Experiment { id name evaluators source { id name vendor } } }\n  }\n"): typeof import('./graphql.js').NamesDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Comparison(\n    $ids: [ID!]!, $baseline: ID, $metrics: [MetricInput!], $statistic: Statistic!, $basis: AggregateBasis!, $joinOn: CaseKey!\n  ) {\n    comparison(\n      experimentIds: $ids, baselineId: $baseline, metrics: $metrics, statistic: $statistic, basis: $basis, joinOn: $joinOn\n    ) {\n      baseline { id }\n      experiments { id name source { id name vendor } }\n      missingIds\n      metrics {\n        metric { kind evaluator name unit betterWhen }\n        statistic\n        best { id }\n        entries {\n          experiment { id }\n          value delta ratio\n          aggregate { basis population complete }\n          cases { improved regressed equal missing }\n        }\n      }\n      sources { ...Report }\n    }\n  }\n"): typeof import('./graphql.js').ComparisonDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Cases(\n    $ids: [ID!]!, $baseline: ID, $joinOn: CaseKey!, $metric: MetricInput!, $outcome: CaseOutcome, $text: String,\n    $orderBy: CaseOrder, $first: Int!, $after: String\n  ) {\n    comparison(experimentIds: $ids, baselineId: $baseline, joinOn: $joinOn) {\n      experiments { id name }\n      cases(metric: $metric, outcome: $outcome, text: $text, orderBy: $orderBy, first: $first, after: $after) {\n        totalCount\n        nodes { id key entries { experiment { id } value delta outcome } }\n        pageInfo { hasNextPage endCursor }\n      }\n      sources { ...Report }\n    }\n  }\n"): typeof import('./graphql.js').CasesDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query CaseTexts($id: ID!) {\n    node(id: $id) {\n      ... on CaseComparison {\n        id key\n        entries {\n          experiment { id name source { id name } }\n          value delta outcome\n          sessions {\n            id status latencyMs costUsd input output error\n            tokens { total }\n            scores { evaluator value label failed }\n          }\n        }\n      }\n    }\n  }\n"): typeof import('./graphql.js').CaseTextsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Spread($ids: [ID!]!, $metric: MetricInput!) {\n    nodes(ids: $ids) {\n      ... on Experiment {\n        id name\n        aggregate(metric: $metric, basis: COMPUTED) { count min p25 median p75 p90 max complete }\n      }\n    }\n  }\n"): typeof import('./graphql.js').SpreadDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Histograms($ids: [ID!]!, $metric: MetricInput!, $lower: Float!, $upper: Float!) {\n    nodes(ids: $ids) {\n      ... on Experiment {\n        id name\n        aggregate(metric: $metric, basis: COMPUTED) { histogram(bins: 24, lower: $lower, upper: $upper) { lower upper count } }\n      }\n    }\n  }\n"): typeof import('./graphql.js').HistogramsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query CostAndQuality($ids: [ID!]!, $quality: MetricInput!) {\n    nodes(ids: $ids) {\n      ... on Experiment {\n        id name\n        cost: aggregate(metric: {kind: COST}, basis: COMPUTED) { mean }\n        quality: aggregate(metric: $quality, basis: COMPUTED) { metric { name unit } mean }\n      }\n    }\n  }\n"): typeof import('./graphql.js').CostAndQualityDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query ExperimentDetails($id: ID!) {\n    experiment(id: $id) {\n      id vendorId name description kind createdAt updatedAt endedAt sessionCount progress vendorStatus url sourceUrl\n      agentName agentVersion datasetName datasetVersion models evaluators\n      source { id name vendor }\n      aggregates(basis: BEST) { ...Figure }\n      oldest: sessions(first: 1, orderBy: {field: STARTED_AT, direction: ASC}) { nodes { id startedAt } }\n      newest: sessions(first: 1, orderBy: {field: STARTED_AT, direction: DESC}) { nodes { id startedAt } }\n    }\n  }\n"): typeof import('./graphql.js').ExperimentDetailsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Series($id: ID!, $interval: TimeInterval!, $range: ClosedDateTimeRange!, $timeZone: String!) {\n    experiment(id: $id) {\n      id\n      timeSeries(metrics: [{kind: LATENCY}, {kind: COST}], interval: $interval, range: $range, timeZone: $timeZone) {\n        complete\n        buckets { start end sessionCount errorCount aggregates { metric { kind } median p95 sum } }\n      }\n    }\n  }\n"): typeof import('./graphql.js').SeriesDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Groups($id: ID!, $by: SessionDimension!) {\n    experiment(id: $id) {\n      id\n      sessionGroups(by: $by, metrics: [{kind: LATENCY}, {kind: COST}, {kind: ERROR_RATE}]) {\n        complete otherCount\n        groups { key sessionCount aggregates { ...Figure } }\n      }\n    }\n  }\n"): typeof import('./graphql.js').GroupsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Sessions($id: ID!, $first: Int!, $after: String, $filter: ExperimentSessionFilter, $orderBy: SessionOrder) {\n    experiment(id: $id) {\n      id\n      sessions(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {\n        totalCount isComplete\n        nodes { id name vendorId status vendorStatus startedAt latencyMs costUsd models agentVersion testCaseId tokens { total } scores { evaluator value label failed } }\n        pageInfo { hasNextPage endCursor }\n        sources { ...Report }\n      }\n    }\n  }\n"): typeof import('./graphql.js').SessionsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query SessionDetails($id: ID!) {\n    session(id: $id) {\n      id vendorId name status vendorStatus startedAt endedAt latencyMs firstTokenMs costUsd inputCostUsd outputCostUsd\n      agentName agentVersion models testCaseId conversationId messageCount url input output error\n      tokens { input output cached reasoning total }\n      scores { evaluator value label explanation failed }\n      source { id name vendor capabilities { spans } }\n      experiment { id name }\n    }\n  }\n"): typeof import('./graphql.js').SessionDetailsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Spans($id: ID!, $first: Int!, $after: String) {\n    session(id: $id) {\n      id\n      spans(first: $first, after: $after) {\n        totalCount\n        nodes { id parentId depth kind vendorKind name status startedAt endedAt latencyMs costUsd model toolName tokens { total } }\n        pageInfo { hasNextPage endCursor }\n      }\n    }\n  }\n"): typeof import('./graphql.js').SpansDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query SpanDetails($id: ID!) {\n    node(id: $id) {\n      ... on Span {\n        id vendorId kind vendorKind name status startedAt latencyMs firstTokenMs costUsd model provider toolName agentName\n        tokens { input output cached reasoning total }\n        input output error metadata\n        scores { evaluator value label explanation failed }\n      }\n    }\n  }\n"): typeof import('./graphql.js').SpanDetailsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query SourceStates {\n    gateway { version limits { defaultFirst maxFirst maxDepth maxAliases maxCost deadlineMs } }\n    sources { id name vendor apiVersion rateLimits { kind calls perSeconds } }\n  }\n"): typeof import('./graphql.js').SourceStatesDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query SourceState($id: ID!) {\n    node(id: $id) {\n      ... on Source {\n        id\n        health { status circuit checkedAt lastError { code message retryable } }\n        apiVersion\n        capabilities { experimentOrders sessionOrders experimentFilters sessionFilters reportedMetrics spans }\n      }\n    }\n  }\n"): typeof import('./graphql.js').SourceStateDocument;


export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}
