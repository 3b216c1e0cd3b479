/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
/** REPORTED: the vendor's own figures. COMPUTED: computed by the gateway from the experiment's sessions, in the same way for every vendor, with nearest-rank percentiles and the sample standard deviation. BEST: REPORTED where the vendor reports the metric, else COMPUTED. */
export type AggregateBasis =
  /** REPORTED where the vendor reports the metric, else COMPUTED. Occurs in arguments only. */
  | 'BEST'
  /** Figures of all sessions of the experiment that have the value, computed by the gateway. */
  | 'COMPUTED'
  /** The vendor's own figures. A metric that the vendor does not report is left out. */
  | 'REPORTED';

/** The population of a figure. Means over different populations are not comparable. */
export type AggregatePopulation =
  /** Each verdict of an evaluator counts once. */
  | 'EVALUATIONS'
  /** Each run that the vendor recorded counts once; a session may have several. */
  | 'RUNS'
  /** Each session counts once. */
  | 'SESSIONS'
  /** Each test case counts once, with the mean of its repetitions. */
  | 'TEST_CASES';

/** The direction of a metric that is an improvement. */
export type Better =
  /** A higher value is an improvement, as for a score. */
  | 'HIGHER'
  /** A lower value is an improvement, as for latency. */
  | 'LOWER';

/** The key that matches a test case of one experiment to the same case of another. Two vendors rarely share case ids. INPUT compares objects and lists as JSON, and any other text with its white space folded. */
export type CaseKey =
  /** The complete input of the session. */
  | 'INPUT'
  /** The vendor's id of the test case. */
  | 'TEST_CASE_ID';

/** The order of a comparison's cases; missing values come last in both directions. Equal values are ordered by key. DELTA and VALUE are those of experimentId. */
export type CaseOrder = {
  /** Ascending or descending. The default is DESC: the largest value or key, or the worst delta first. */
  direction?: OrderDirection;
  /** One of the compared experiments. The default is the first of them that is not the baseline: the second, unless baselineId names another baseline. Without effect on KEY. */
  experimentId?: string | number | null | undefined;
  /** The value to order by. */
  field: CaseOrderField;
};

/** The fields by which the cases of a comparison can be ordered. */
export type CaseOrderField =
  /** The value minus the baseline's, by the metric's betterWhen. DESC has the worst case first: the largest regressions. These are the largest deltas where betterWhen is LOWER, and the most negative ones where it is HIGHER. ASC has the largest improvements first. */
  | 'DELTA'
  /** The key, by the code points of its first hundred characters. */
  | 'KEY'
  /** The value: the mean over the repetitions. DESC has the largest value first, for every metric. */
  | 'VALUE';

/** The outcome of a case against the baseline's, in the metric's better direction. EQUAL: the same within one part in 10^9, or run by both and measured by neither. MISSING: run or measured by only one. */
export type CaseOutcome =
  /** The values are the same within one part in 10^9, or both ran the case and neither has a value. */
  | 'EQUAL'
  /** The value is better than the baseline's. */
  | 'IMPROVED'
  /** Only one of the two ran the case or has a value. */
  | 'MISSING'
  /** The value is worse than the baseline's. */
  | 'REGRESSED';

/** The state of the circuit breaker of a source. */
export type CircuitState =
  /** Calls are sent. */
  | 'CLOSED'
  /** A few calls are sent to find out whether the vendor has recovered. */
  | 'HALF_OPEN'
  /** No call is sent, because too many of its kind failed recently. */
  | 'OPEN';

/** A time range from gte, inclusive, to lt, exclusive, both given. */
export type ClosedDateTimeRange = {
  /** The first moment of the range. */
  gte: string;
  /** The first moment after the range. It must be after gte. */
  lt: string;
};

/** A time range from gte, inclusive, to lt, exclusive. A missing time is in no range. Without gte and lt it is no condition. */
export type DateTimeRange = {
  /** At this time or later. */
  gte?: string | null | undefined;
  /** Before this time. */
  lt?: string | null | undefined;
};

/** The fields of experiments whose values can be counted. */
export type ExperimentFacetField =
  /** The name of each agent. */
  | 'AGENT_NAME'
  /** The name of the dataset. */
  | 'DATASET_NAME'
  /** The name of each evaluator. */
  | 'EVALUATOR'
  /** The kind of the experiment. */
  | 'KIND'
  /** The name of each model. */
  | 'MODEL'
  /** The name of the source. */
  | 'SOURCE'
  /** The name of the vendor's adapter. */
  | 'VENDOR';

/** Conditions that must all hold. A list in a condition matches any member. */
export type ExperimentFilter = {
  /** On the name of any agent. */
  agentName?: StringFilter | null | undefined;
  /** On the version of any agent. */
  agentVersion?: StringFilter | null | undefined;
  /** On the creation. */
  createdAt?: DateTimeRange | null | undefined;
  /** On the vendor's dataset id. */
  datasetId?: StringFilter | null | undefined;
  /** On the dataset's name. */
  datasetName?: StringFilter | null | undefined;
  /** On the dataset's version. */
  datasetVersion?: StringFilter | null | undefined;
  /** On any of groupIds. */
  groupId?: StringFilter | null | undefined;
  /** IDs of experiments. */
  ids?: Array<string | number> | null | undefined;
  /** By default all kinds. */
  kinds?: Array<ExperimentKind> | null | undefined;
  /** On keys of the vendor's metadata; all must hold. */
  metadata?: Array<MetadataFilter> | null | undefined;
  /** On any of the models. */
  model?: StringFilter | null | undefined;
  /** On the name. */
  name?: StringFilter | null | undefined;
  /** Names from the configuration. */
  sources?: Array<string> | null | undefined;
  /** On the last change or activity. */
  updatedAt?: DateTimeRange | null | undefined;
  /** Names of vendors, as Source.vendor. */
  vendors?: Array<string> | null | undefined;
};

/** The kind of an experiment: an evaluation over a dataset, a live project, or an agent. */
export type ExperimentKind =
  /** An agent with its chats. */
  | 'AGENT'
  /** A run over the cases of a dataset. */
  | 'EVALUATION'
  /** A live project that collects traces. */
  | 'PROJECT';

/** The order of a list of experiments; missing values come last in both directions. */
export type ExperimentOrder = {
  /** Ascending or descending. The default is DESC: the newest or largest first. */
  direction?: OrderDirection;
  /** The value to order by. */
  field: ExperimentOrderField;
  /** Required with METRIC, and not allowed with other fields: the metric that the vendor reports. Experiments without the figure come last. */
  metric?: MetricInput | null | undefined;
  /** The statistic of the metric. Without effect on other fields. */
  statistic?: Statistic;
};

/** NAME compares by code point after Unicode case folding, whatever the vendor. */
export type ExperimentOrderField =
  /** The time of creation. */
  | 'CREATED_AT'
  /** A statistic that the vendor reports: see `metric` and `statistic`. */
  | 'METRIC'
  /** The name, by code point after Unicode case folding. */
  | 'NAME'
  /** The number of sessions by the vendor's own count. */
  | 'SESSION_COUNT'
  /** The time of the vendor's last change, or of its last activity. */
  | 'UPDATED_AT';

/** The conditions of SessionFilter that make sense within one experiment. All of them must hold. */
export type ExperimentSessionFilter = {
  /** On the agent's name. */
  agentName?: StringFilter | null | undefined;
  /** On the agent's version. */
  agentVersion?: StringFilter | null | undefined;
  /** On the conversation's id. */
  conversationId?: StringFilter | null | undefined;
  /** In USD. */
  costUsd?: FloatRange | null | undefined;
  /** IDs of sessions. */
  ids?: Array<string | number> | null | undefined;
  /** In milliseconds. */
  latencyMs?: FloatRange | null | undefined;
  /** On keys of the vendor's metadata; all must hold. */
  metadata?: Array<MetadataFilter> | null | undefined;
  /** On any model that the vendor's list names. */
  model?: StringFilter | null | undefined;
  /** On the name. */
  name?: StringFilter | null | undefined;
  /** On the score of one evaluator. */
  score?: ScoreFilter | null | undefined;
  /** On the start. */
  startedAt?: DateTimeRange | null | undefined;
  /** Any of these. */
  statuses?: Array<SessionStatus> | null | undefined;
  /** On the test case's id. */
  testCaseId?: StringFilter | null | undefined;
  /** In the input, the output or the error, in any case. An empty text matches all. */
  text?: string | null | undefined;
  /** On tokens.total. */
  totalTokens?: FloatRange | null | undefined;
};

/** A range of numbers from gte, inclusive, to lt, exclusive. A missing number is in no range. Without gte and lt it is no condition. */
export type FloatRange = {
  /** At least this number. */
  gte?: number | null | undefined;
  /** Less than this number. */
  lt?: number | null | undefined;
};

/** A condition on one top-level key of the vendor's metadata. The value is compared as text: a string itself, anything else as compact JSON, e.g. true, 3 or [1,2]. */
export type MetadataFilter = {
  /** The exact name of the key. */
  key: string;
  /** The condition on the value. By default, the key must be there. */
  value?: StringFilter | null | undefined;
};

/** A metric. evaluator is required for kind SCORE and not allowed for other kinds. */
export type MetricInput = {
  /** The exact name of an evaluator. Required for kind SCORE and not allowed for other kinds. */
  evaluator?: string | null | undefined;
  /** The measured quantity. */
  kind: MetricKind;
};

/** The measured quantity. */
export type MetricKind =
  /** Tokens that were read from a model's prompt cache; a part of the input tokens. */
  | 'CACHED_TOKENS'
  /** The cost in US dollars. */
  | 'COST'
  /** The ratio of sessions with status ERROR among those that ended, from 0 to 1. */
  | 'ERROR_RATE'
  /** The time from the start to the first token of the output, in milliseconds. */
  | 'FIRST_TOKEN_LATENCY'
  /** Tokens that were sent to models. */
  | 'INPUT_TOKENS'
  /** The duration of a session, in milliseconds. Running sessions have none. */
  | 'LATENCY'
  /** Tokens that models returned. */
  | 'OUTPUT_TOKENS'
  /** The score of one evaluator, on that evaluator's own scale. */
  | 'SCORE'
  /** All tokens: the vendor's total, else input plus output. */
  | 'TOTAL_TOKENS';

/** The unit of a metric's statistics. */
export type MetricUnit =
  /** Milliseconds. */
  | 'MILLISECONDS'
  /** A ratio from 0 to 1. */
  | 'RATIO'
  /** The evaluator's own scale. */
  | 'SCORE'
  /** A number of tokens. */
  | 'TOKENS'
  /** US dollars. */
  | 'USD';

/** Missing values come last in both directions. */
export type OrderDirection =
  /** The oldest or smallest value first; missing values last. */
  | 'ASC'
  /** The newest or largest value first; missing values last. */
  | 'DESC';

/** Sessions to which the evaluator gave a score from gte, inclusive, to lt, exclusive, if given. */
export type ScoreFilter = {
  /** The exact name of the evaluator. */
  evaluator: string;
  /** At least this score, on the evaluator's scale. */
  gte?: number | null | undefined;
  /** Less than this score, on the evaluator's scale. */
  lt?: number | null | undefined;
};

/** The properties by which sessions can be grouped. */
export type SessionDimension =
  /** The agent's name. */
  | 'AGENT_NAME'
  /** The agent's version. */
  | 'AGENT_VERSION'
  /** The conversation's id. */
  | 'CONVERSATION'
  /** The models that the vendor's list names, in alphabetical order and joined by commas. */
  | 'MODEL'
  /** The name. */
  | 'NAME'
  /** The status, as SessionStatus names it. */
  | 'STATUS';

/** The order of a list of sessions; missing values come last in both directions. */
export type SessionOrder = {
  /** Ascending or descending. The default is DESC: the newest or largest first. */
  direction?: OrderDirection;
  /** The name of the score. Required with SCORE, and not allowed with other fields. */
  evaluator?: string | null | undefined;
  /** The value to order by. */
  field: SessionOrderField;
};

/** The sort fields of sessions. */
export type SessionOrderField =
  /** The cost in US dollars. */
  | 'COST'
  /** The duration. Running sessions come last. */
  | 'LATENCY'
  /** The score of one evaluator: see `evaluator`. */
  | 'SCORE'
  /** The start of the session. */
  | 'STARTED_AT'
  /** All tokens: the vendor's total, else input plus output. */
  | 'TOTAL_TOKENS';

/** The outcome of a session, or RUNNING. */
export type SessionStatus =
  /** The session was ended from outside. */
  | 'CANCELLED'
  /** The session ended with an error. */
  | 'ERROR'
  /** The session has not ended. */
  | 'RUNNING'
  /** The session ended without an error. */
  | 'SUCCESS'
  /** The vendor says another word: see vendorStatus. */
  | 'UNKNOWN';

/** The reason why a source failed. */
export type SourceErrorCode =
  /** The vendor rejected the call, or the source does not support it. */
  | 'BAD_REQUEST'
  /** The reply violates the vendor's contract. */
  | 'BAD_RESPONSE'
  /** The call was not sent: too many of its kind failed recently. A retry may succeed. */
  | 'CIRCUIT_OPEN'
  /** The vendor does not have the path, the workspace or the only requested object. */
  | 'NOT_FOUND'
  /** The vendor or the gateway's own rate limit held the call back. A retry may succeed. */
  | 'RATE_LIMITED'
  /** The vendor did not respond in time. A retry may succeed. */
  | 'TIMEOUT'
  /** The vendor rejected the credential. */
  | 'UNAUTHORIZED'
  /** The vendor could not be reached, or cannot serve now. A retry may succeed. */
  | 'UNAVAILABLE';

/** The health of a source. */
export type SourceHealthStatus =
  /** A part of the source fails, or its circuit breaker holds calls back. */
  | 'DEGRADED'
  /** The source does not reply. */
  | 'DOWN'
  /** The source was not called. */
  | 'UNKNOWN'
  /** The source replies. */
  | 'UP';

/** OK: the source's rows are complete. STALE: the source failed and older rows from the cache replace its rows. FAILED: the source is missing from this page, and the next page calls it again. SCAN_LIMITED: the page budget ended before the source's list did. */
export type SourceReportStatus =
  /** Rows of the source are missing. The next page calls it again from the same position. */
  | 'FAILED'
  /** The source's rows are complete. */
  | 'OK'
  /** The page budget ended before the source's list did. The page may have fewer rows. */
  | 'SCAN_LIMITED'
  /** The source failed, and older rows from the cache replace its rows. */
  | 'STALE';

/** The kind of a step. UNKNOWN stands for any other word of the vendor: see vendorKind. */
export type SpanKind =
  /** An agent, with the steps that it took. */
  | 'AGENT'
  /** A chain or workflow of steps. */
  | 'CHAIN'
  /** The computation of embeddings. */
  | 'EMBEDDING'
  /** The work of an evaluator. */
  | 'EVALUATOR'
  /** The check of a guardrail. */
  | 'GUARDRAIL'
  /** The call of a language model. */
  | 'LLM'
  /** The parsing of an output. */
  | 'PARSER'
  /** The formatting of a prompt, or a message of a user. */
  | 'PROMPT'
  /** The reordering of documents. */
  | 'RERANKER'
  /** A search for documents. */
  | 'RETRIEVER'
  /** The call of a tool. */
  | 'TOOL'
  /** The vendor says another word: see vendorKind. */
  | 'UNKNOWN';

/** The statistic of an aggregate that is compared. */
export type Statistic =
  /** The number of values. */
  | 'COUNT'
  /** The largest value. */
  | 'MAX'
  /** The arithmetic mean. */
  | 'MEAN'
  /** The 50th percentile. */
  | 'MEDIAN'
  /** The smallest value. */
  | 'MIN'
  /** The 25th percentile. */
  | 'P25'
  /** The 75th percentile. */
  | 'P75'
  /** The 90th percentile. */
  | 'P90'
  /** The 95th percentile. */
  | 'P95'
  /** The 99th percentile. */
  | 'P99'
  /** The standard deviation, of the sample when COMPUTED. */
  | 'STDDEV'
  /** The sum. */
  | 'SUM';

/** Conditions on a string, all of which must hold. eq, in and notIn are exact; contains and startsWith ignore case. Where an object has several values, one of them must meet eq, in, contains and startsWith. A missing value meets only notIn and exists: false. */
export type StringFilter = {
  /** Has this part, in any case. */
  contains?: string | null | undefined;
  /** Equal to this string. */
  eq?: string | null | undefined;
  /** True: has a value. False: has none. */
  exists?: boolean | null | undefined;
  /** One of these strings. */
  in?: Array<string> | null | undefined;
  /** None of these strings; objects without a value match. */
  notIn?: Array<string> | null | undefined;
  /** Begins with this part, in any case. */
  startsWith?: string | null | undefined;
};

/** The width of the intervals of a time series, in its time zone. */
export type TimeInterval =
  /** A day of the calendar: 23 or 25 hours where the clock changes. */
  | 'DAY'
  /** An hour of the clock. An hour that the clock repeats is an interval of its own. */
  | 'HOUR'
  /** A minute of the clock. */
  | 'MINUTE'
  /** A month of the calendar. */
  | 'MONTH'
  /** A week of the calendar, from Monday. */
  | 'WEEK';

export type SourceNamesQueryVariables = Exact<{ [key: string]: never; }>;


export type SourceNamesQuery = { __typename: 'Query', sources: Array<{ __typename: 'Source', id: string, name: string, vendor: string }> };

export type FacetsQueryVariables = Exact<{ [key: string]: never; }>;


export type FacetsQuery = { __typename: 'Query', experimentFacets: Array<{ __typename: 'ExperimentFacet', field: ExperimentFacetField, complete: boolean, values: Array<{ __typename: 'FacetValue', value: string | null, count: number }> }> | null };

export type FigureFragment = { __typename: 'Aggregate', basis: AggregateBasis, population: AggregatePopulation, complete: boolean, count: number | null, sum: number | null, mean: number | null, median: number | null, p90: number | null, p95: number | null, p99: number | null, min: number | null, max: number | null, metric: { __typename: 'Metric', kind: MetricKind, evaluator: string | null, name: string, unit: MetricUnit, betterWhen: Better } };

export type ExperimentRowFragment = { __typename: 'Experiment', id: string, name: string, kind: ExperimentKind, createdAt: string | null, updatedAt: string | null, sessionCount: number | null, datasetName: string | null, agentName: string | null, models: Array<string> | null, source: { __typename: 'Source', id: string, name: string, vendor: string }, aggregates: Array<{ __typename: 'Aggregate', basis: AggregateBasis, population: AggregatePopulation, complete: boolean, count: number | null, sum: number | null, mean: number | null, median: number | null, p90: number | null, p95: number | null, p99: number | null, min: number | null, max: number | null, metric: { __typename: 'Metric', kind: MetricKind, evaluator: string | null, name: string, unit: MetricUnit, betterWhen: Better } }> | null };

export type ReportFragment = { __typename: 'SourceReport', status: SourceReportStatus, skipped: number, source: { __typename: 'Source', id: string, name: string }, error: { __typename: 'SourceError', code: SourceErrorCode, message: string, retryable: boolean } | null };

export type SourceRowsFragment = { __typename: 'Source', id: string, name: string, experiments: { __typename: 'ExperimentConnection', totalCount: number | null, isComplete: boolean, nodes: Array<{ __typename: 'Experiment', id: string, name: string, kind: ExperimentKind, createdAt: string | null, updatedAt: string | null, sessionCount: number | null, datasetName: string | null, agentName: string | null, models: Array<string> | null, source: { __typename: 'Source', id: string, name: string, vendor: string }, aggregates: Array<{ __typename: 'Aggregate', basis: AggregateBasis, population: AggregatePopulation, complete: boolean, count: number | null, sum: number | null, mean: number | null, median: number | null, p90: number | null, p95: number | null, p99: number | null, min: number | null, max: number | null, metric: { __typename: 'Metric', kind: MetricKind, evaluator: string | null, name: string, unit: MetricUnit, betterWhen: Better } }> | null }>, pageInfo: { __typename: 'PageInfo', hasNextPage: boolean, endCursor: string | null }, sources: Array<{ __typename: 'SourceReport', status: SourceReportStatus, skipped: number, source: { __typename: 'Source', id: string, name: string }, error: { __typename: 'SourceError', code: SourceErrorCode, message: string, retryable: boolean } | null }> } | null };

export type SourcePageQueryVariables = Exact<{
  id: string | number;
  first: number;
  after?: string | null | undefined;
  filter?: ExperimentFilter | null | undefined;
  orderBy?: ExperimentOrder | null | undefined;
}>;


export type SourcePageQuery = { __typename: 'Query', node:
    | { __typename: 'CaseComparison' }
    | { __typename: 'Experiment' }
    | { __typename: 'Session' }
    | { __typename: 'Source', id: string, name: string, experiments: { __typename: 'ExperimentConnection', totalCount: number | null, isComplete: boolean, nodes: Array<{ __typename: 'Experiment', id: string, name: string, kind: ExperimentKind, createdAt: string | null, updatedAt: string | null, sessionCount: number | null, datasetName: string | null, agentName: string | null, models: Array<string> | null, source: { __typename: 'Source', id: string, name: string, vendor: string }, aggregates: Array<{ __typename: 'Aggregate', basis: AggregateBasis, population: AggregatePopulation, complete: boolean, count: number | null, sum: number | null, mean: number | null, median: number | null, p90: number | null, p95: number | null, p99: number | null, min: number | null, max: number | null, metric: { __typename: 'Metric', kind: MetricKind, evaluator: string | null, name: string, unit: MetricUnit, betterWhen: Better } }> | null }>, pageInfo: { __typename: 'PageInfo', hasNextPage: boolean, endCursor: string | null }, sources: Array<{ __typename: 'SourceReport', status: SourceReportStatus, skipped: number, source: { __typename: 'Source', id: string, name: string }, error: { __typename: 'SourceError', code: SourceErrorCode, message: string, retryable: boolean } | null }> } | null }
    | { __typename: 'Span' }
   | null };

export type ComputedFiguresQueryVariables = Exact<{
  id: string | number;
}>;


export type ComputedFiguresQuery = { __typename: 'Query', experiment: { __typename: 'Experiment', id: string, aggregates: Array<{ __typename: 'Aggregate', basis: AggregateBasis, population: AggregatePopulation, complete: boolean, count: number | null, sum: number | null, mean: number | null, median: number | null, p90: number | null, p95: number | null, p99: number | null, min: number | null, max: number | null, metric: { __typename: 'Metric', kind: MetricKind, evaluator: string | null, name: string, unit: MetricUnit, betterWhen: Better } }> | null } | null };

export type NamesQueryVariables = Exact<{
  ids: Array<string | number> | string | number;
}>;


export type NamesQuery = { __typename: 'Query', nodes: Array<
    | { __typename: 'CaseComparison' }
    | { __typename: 'Experiment', id: string, name: string, evaluators: Array<string> | null, source: { __typename: 'Source', id: string, name: string, vendor: string } }
    | { __typename: 'Session' }
    | { __typename: 'Source' }
    | { __typename: 'Span' }
   | null> };

export type ComparisonQueryVariables = Exact<{
  ids: Array<string | number> | string | number;
  baseline?: string | number | null | undefined;
  metrics?: Array<MetricInput> | MetricInput | null | undefined;
  statistic: Statistic;
  basis: AggregateBasis;
  joinOn: CaseKey;
}>;


export type ComparisonQuery = { __typename: 'Query', comparison: { __typename: 'Comparison', missingIds: Array<string>, baseline: { __typename: 'Experiment', id: string }, experiments: Array<{ __typename: 'Experiment', id: string, name: string, source: { __typename: 'Source', id: string, name: string, vendor: string } }>, metrics: Array<{ __typename: 'MetricComparison', statistic: Statistic, metric: { __typename: 'Metric', kind: MetricKind, evaluator: string | null, name: string, unit: MetricUnit, betterWhen: Better }, best: { __typename: 'Experiment', id: string } | null, entries: Array<{ __typename: 'MetricEntry', value: number | null, delta: number | null, ratio: number | null, experiment: { __typename: 'Experiment', id: string }, aggregate: { __typename: 'Aggregate', basis: AggregateBasis, population: AggregatePopulation, complete: boolean } | null, cases: { __typename: 'CaseCounts', improved: number, regressed: number, equal: number, missing: number } | null }> }>, sources: Array<{ __typename: 'SourceReport', status: SourceReportStatus, skipped: number, source: { __typename: 'Source', id: string, name: string }, error: { __typename: 'SourceError', code: SourceErrorCode, message: string, retryable: boolean } | null }> } | null };

export type CasesQueryVariables = Exact<{
  ids: Array<string | number> | string | number;
  baseline?: string | number | null | undefined;
  joinOn: CaseKey;
  metric: MetricInput;
  outcome?: CaseOutcome | null | undefined;
  text?: string | null | undefined;
  orderBy?: CaseOrder | null | undefined;
  first: number;
  after?: string | null | undefined;
}>;


export type CasesQuery = { __typename: 'Query', comparison: { __typename: 'Comparison', experiments: Array<{ __typename: 'Experiment', id: string, name: string }>, cases: { __typename: 'CaseComparisonConnection', totalCount: number | null, nodes: Array<{ __typename: 'CaseComparison', id: string, key: string, entries: Array<{ __typename: 'CaseEntry', value: number | null, delta: number | null, outcome: CaseOutcome | null, experiment: { __typename: 'Experiment', id: string } }> }>, pageInfo: { __typename: 'PageInfo', hasNextPage: boolean, endCursor: string | null } } | null, sources: Array<{ __typename: 'SourceReport', status: SourceReportStatus, skipped: number, source: { __typename: 'Source', id: string, name: string }, error: { __typename: 'SourceError', code: SourceErrorCode, message: string, retryable: boolean } | null }> } | null };

export type CaseTextsQueryVariables = Exact<{
  id: string | number;
}>;


export type CaseTextsQuery = { __typename: 'Query', node:
    | { __typename: 'CaseComparison', id: string, key: string, entries: Array<{ __typename: 'CaseEntry', value: number | null, delta: number | null, outcome: CaseOutcome | null, experiment: { __typename: 'Experiment', id: string, name: string, source: { __typename: 'Source', id: string, name: string } }, sessions: Array<{ __typename: 'Session', id: string, status: SessionStatus, latencyMs: number | null, costUsd: number | null, input: string | null, output: string | null, error: string | null, tokens: { __typename: 'TokenUsage', total: number | null } | null, scores: Array<{ __typename: 'Score', evaluator: string, value: number | null, label: string | null, failed: boolean }> | null }> | null }> }
    | { __typename: 'Experiment' }
    | { __typename: 'Session' }
    | { __typename: 'Source' }
    | { __typename: 'Span' }
   | null };

export type SpreadQueryVariables = Exact<{
  ids: Array<string | number> | string | number;
  metric: MetricInput;
}>;


export type SpreadQuery = { __typename: 'Query', nodes: Array<
    | { __typename: 'CaseComparison' }
    | { __typename: 'Experiment', id: string, name: string, aggregate: { __typename: 'Aggregate', count: number | null, min: number | null, p25: number | null, median: number | null, p75: number | null, p90: number | null, max: number | null, complete: boolean } | null }
    | { __typename: 'Session' }
    | { __typename: 'Source' }
    | { __typename: 'Span' }
   | null> };

export type HistogramsQueryVariables = Exact<{
  ids: Array<string | number> | string | number;
  metric: MetricInput;
  lower: number;
  upper: number;
}>;


export type HistogramsQuery = { __typename: 'Query', nodes: Array<
    | { __typename: 'CaseComparison' }
    | { __typename: 'Experiment', id: string, name: string, aggregate: { __typename: 'Aggregate', histogram: Array<{ __typename: 'HistogramBin', lower: number, upper: number, count: number }> | null } | null }
    | { __typename: 'Session' }
    | { __typename: 'Source' }
    | { __typename: 'Span' }
   | null> };

export type CostAndQualityQueryVariables = Exact<{
  ids: Array<string | number> | string | number;
  quality: MetricInput;
}>;


export type CostAndQualityQuery = { __typename: 'Query', nodes: Array<
    | { __typename: 'CaseComparison' }
    | { __typename: 'Experiment', id: string, name: string, cost: { __typename: 'Aggregate', mean: number | null } | null, quality: { __typename: 'Aggregate', mean: number | null, metric: { __typename: 'Metric', name: string, unit: MetricUnit } } | null }
    | { __typename: 'Session' }
    | { __typename: 'Source' }
    | { __typename: 'Span' }
   | null> };

export type ExperimentDetailsQueryVariables = Exact<{
  id: string | number;
}>;


export type ExperimentDetailsQuery = { __typename: 'Query', experiment: { __typename: 'Experiment', id: string, vendorId: string, name: string, description: string | null, kind: ExperimentKind, createdAt: string | null, updatedAt: string | null, endedAt: string | null, sessionCount: number | null, progress: number | null, vendorStatus: string | null, url: string | null, sourceUrl: string | null, agentName: string | null, agentVersion: string | null, datasetName: string | null, datasetVersion: string | null, models: Array<string> | null, evaluators: Array<string> | null, source: { __typename: 'Source', id: string, name: string, vendor: string }, aggregates: Array<{ __typename: 'Aggregate', basis: AggregateBasis, population: AggregatePopulation, complete: boolean, count: number | null, sum: number | null, mean: number | null, median: number | null, p90: number | null, p95: number | null, p99: number | null, min: number | null, max: number | null, metric: { __typename: 'Metric', kind: MetricKind, evaluator: string | null, name: string, unit: MetricUnit, betterWhen: Better } }> | null, oldest: { __typename: 'SessionConnection', nodes: Array<{ __typename: 'Session', id: string, startedAt: string }> } | null, newest: { __typename: 'SessionConnection', nodes: Array<{ __typename: 'Session', id: string, startedAt: string }> } | null } | null };

export type SeriesQueryVariables = Exact<{
  id: string | number;
  interval: TimeInterval;
  range: ClosedDateTimeRange;
  timeZone: string;
}>;


export type SeriesQuery = { __typename: 'Query', experiment: { __typename: 'Experiment', id: string, timeSeries: { __typename: 'TimeSeries', complete: boolean, buckets: Array<{ __typename: 'TimeBucket', start: string, end: string, sessionCount: number, errorCount: number, aggregates: Array<{ __typename: 'Aggregate', median: number | null, p95: number | null, sum: number | null, metric: { __typename: 'Metric', kind: MetricKind } }> }> } | null } | null };

export type GroupsQueryVariables = Exact<{
  id: string | number;
  by: SessionDimension;
}>;


export type GroupsQuery = { __typename: 'Query', experiment: { __typename: 'Experiment', id: string, sessionGroups: { __typename: 'SessionGroups', complete: boolean, otherCount: number, groups: Array<{ __typename: 'SessionGroup', key: string | null, sessionCount: number, aggregates: Array<{ __typename: 'Aggregate', basis: AggregateBasis, population: AggregatePopulation, complete: boolean, count: number | null, sum: number | null, mean: number | null, median: number | null, p90: number | null, p95: number | null, p99: number | null, min: number | null, max: number | null, metric: { __typename: 'Metric', kind: MetricKind, evaluator: string | null, name: string, unit: MetricUnit, betterWhen: Better } }> }> } | null } | null };

export type SessionsQueryVariables = Exact<{
  id: string | number;
  first: number;
  after?: string | null | undefined;
  filter?: ExperimentSessionFilter | null | undefined;
  orderBy?: SessionOrder | null | undefined;
}>;


export type SessionsQuery = { __typename: 'Query', experiment: { __typename: 'Experiment', id: string, sessions: { __typename: 'SessionConnection', totalCount: number | null, isComplete: boolean, nodes: Array<{ __typename: 'Session', id: string, name: string | null, vendorId: string, status: SessionStatus, vendorStatus: string | null, startedAt: string, latencyMs: number | null, costUsd: number | null, models: Array<string> | null, agentVersion: string | null, testCaseId: string | null, tokens: { __typename: 'TokenUsage', total: number | null } | null, scores: Array<{ __typename: 'Score', evaluator: string, value: number | null, label: string | null, failed: boolean }> | null }>, pageInfo: { __typename: 'PageInfo', hasNextPage: boolean, endCursor: string | null }, sources: Array<{ __typename: 'SourceReport', status: SourceReportStatus, skipped: number, source: { __typename: 'Source', id: string, name: string }, error: { __typename: 'SourceError', code: SourceErrorCode, message: string, retryable: boolean } | null }> } | null } | null };

export type SessionDetailsQueryVariables = Exact<{
  id: string | number;
}>;


export type SessionDetailsQuery = { __typename: 'Query', session: { __typename: 'Session', id: string, vendorId: string, name: string | null, status: SessionStatus, vendorStatus: string | null, startedAt: string, endedAt: string | null, latencyMs: number | null, firstTokenMs: number | null, costUsd: number | null, inputCostUsd: number | null, outputCostUsd: number | null, agentName: string | null, agentVersion: string | null, models: Array<string> | null, testCaseId: string | null, conversationId: string | null, messageCount: number | null, url: string | null, input: string | null, output: string | null, error: string | null, tokens: { __typename: 'TokenUsage', input: number | null, output: number | null, cached: number | null, reasoning: number | null, total: number | null } | null, scores: Array<{ __typename: 'Score', evaluator: string, value: number | null, label: string | null, explanation: string | null, failed: boolean }> | null, source: { __typename: 'Source', id: string, name: string, vendor: string, capabilities: { __typename: 'SourceCapabilities', spans: boolean } }, experiment: { __typename: 'Experiment', id: string, name: string } | null } | null };

export type SpansQueryVariables = Exact<{
  id: string | number;
  first: number;
  after?: string | null | undefined;
}>;


export type SpansQuery = { __typename: 'Query', session: { __typename: 'Session', id: string, spans: { __typename: 'SpanConnection', totalCount: number | null, nodes: Array<{ __typename: 'Span', id: string, parentId: string | null, depth: number, kind: SpanKind, vendorKind: string | null, name: string | null, status: SessionStatus, startedAt: string | null, endedAt: string | null, latencyMs: number | null, costUsd: number | null, model: string | null, toolName: string | null, tokens: { __typename: 'TokenUsage', total: number | null } | null }>, pageInfo: { __typename: 'PageInfo', hasNextPage: boolean, endCursor: string | null } } | null } | null };

export type SpanDetailsQueryVariables = Exact<{
  id: string | number;
}>;


export type SpanDetailsQuery = { __typename: 'Query', node:
    | { __typename: 'CaseComparison' }
    | { __typename: 'Experiment' }
    | { __typename: 'Session' }
    | { __typename: 'Source' }
    | { __typename: 'Span', id: string, vendorId: string, kind: SpanKind, vendorKind: string | null, name: string | null, status: SessionStatus, startedAt: string | null, latencyMs: number | null, firstTokenMs: number | null, costUsd: number | null, model: string | null, provider: string | null, toolName: string | null, agentName: string | null, input: string | null, output: string | null, error: string | null, metadata: unknown, tokens: { __typename: 'TokenUsage', input: number | null, output: number | null, cached: number | null, reasoning: number | null, total: number | null } | null, scores: Array<{ __typename: 'Score', evaluator: string, value: number | null, label: string | null, explanation: string | null, failed: boolean }> | null }
   | null };

export type SourceStatesQueryVariables = Exact<{ [key: string]: never; }>;


export type SourceStatesQuery = { __typename: 'Query', gateway: { __typename: 'Gateway', version: string, limits: { __typename: 'GatewayLimits', defaultFirst: number, maxFirst: number, maxDepth: number, maxAliases: number, maxCost: number, deadlineMs: number } }, sources: Array<{ __typename: 'Source', id: string, name: string, vendor: string, apiVersion: string | null, rateLimits: Array<{ __typename: 'RateLimit', kind: string, calls: number, perSeconds: number }> }> };

export type SourceStateQueryVariables = Exact<{
  id: string | number;
}>;


export type SourceStateQuery = { __typename: 'Query', node:
    | { __typename: 'CaseComparison' }
    | { __typename: 'Experiment' }
    | { __typename: 'Session' }
    | { __typename: 'Source', id: string, apiVersion: string | null, health: { __typename: 'SourceHealth', status: SourceHealthStatus, circuit: CircuitState, checkedAt: string | null, lastError: { __typename: 'SourceError', code: SourceErrorCode, message: string, retryable: boolean } | null }, capabilities: { __typename: 'SourceCapabilities', experimentOrders: Array<ExperimentOrderField>, sessionOrders: Array<SessionOrderField>, experimentFilters: Array<string>, sessionFilters: Array<string>, reportedMetrics: Array<MetricKind>, spans: boolean } }
    | { __typename: 'Span' }
   | null };

export class TypedDocumentString<TResult, TVariables>
  extends String
  implements DocumentTypeDecoration<TResult, TVariables>
{
  __apiType?: NonNullable<DocumentTypeDecoration<TResult, TVariables>['__apiType']>;
  private value: string;
  public __meta__?: Record<string, any> | undefined;

  constructor(value: string, __meta__?: Record<string, any> | undefined) {
    super(value);
    this.value = value;
    this.__meta__ = __meta__;
  }

  override toString(): string & DocumentTypeDecoration<TResult, TVariables> {
    return this.value;
  }
}
export const FigureFragmentDoc = new TypedDocumentString(`
    fragment Figure on Aggregate {
  __typename
  metric {
    __typename
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
    `, {"fragmentName":"Figure"}) as unknown as TypedDocumentString<FigureFragment, unknown>;
export const ExperimentRowFragmentDoc = new TypedDocumentString(`
    fragment ExperimentRow on Experiment {
  __typename
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
    __typename
    id
    name
    vendor
  }
  aggregates(basis: REPORTED) {
    __typename
    ...Figure
  }
}
    fragment Figure on Aggregate {
  __typename
  metric {
    __typename
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
}`, {"fragmentName":"ExperimentRow"}) as unknown as TypedDocumentString<ExperimentRowFragment, unknown>;
export const ReportFragmentDoc = new TypedDocumentString(`
    fragment Report on SourceReport {
  __typename
  source {
    __typename
    id
    name
  }
  status
  skipped
  error {
    __typename
    code
    message
    retryable
  }
}
    `, {"fragmentName":"Report"}) as unknown as TypedDocumentString<ReportFragment, unknown>;
export const SourceRowsFragmentDoc = new TypedDocumentString(`
    fragment SourceRows on Source {
  __typename
  id
  name
  experiments(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
    __typename
    nodes {
      __typename
      ...ExperimentRow
    }
    pageInfo {
      __typename
      hasNextPage
      endCursor
    }
    totalCount
    isComplete
    sources {
      __typename
      ...Report
    }
  }
}
    fragment Figure on Aggregate {
  __typename
  metric {
    __typename
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
fragment ExperimentRow on Experiment {
  __typename
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
    __typename
    id
    name
    vendor
  }
  aggregates(basis: REPORTED) {
    __typename
    ...Figure
  }
}
fragment Report on SourceReport {
  __typename
  source {
    __typename
    id
    name
  }
  status
  skipped
  error {
    __typename
    code
    message
    retryable
  }
}`, {"fragmentName":"SourceRows"}) as unknown as TypedDocumentString<SourceRowsFragment, unknown>;
export const SourceNamesDocument = new TypedDocumentString(`
    query SourceNames {
  __typename
  sources {
    __typename
    id
    name
    vendor
  }
}
    `, {"hash":"sha256:70fc8c21df78d12d3a97d3e374f45d03e5dcde84f7d17f2e40bdecf16c83d383"}) as unknown as TypedDocumentString<SourceNamesQuery, SourceNamesQueryVariables>;
export const FacetsDocument = new TypedDocumentString(`
    query Facets {
  __typename
  experimentFacets(of: [KIND, DATASET_NAME, AGENT_NAME, MODEL, EVALUATOR]) {
    __typename
    field
    complete
    values {
      __typename
      value
      count
    }
  }
}
    `, {"hash":"sha256:55e9d7c5f28dc1a3cdc862bc7abb15e126c60a6fa2da93fba499ac03d3ab6509"}) as unknown as TypedDocumentString<FacetsQuery, FacetsQueryVariables>;
export const SourcePageDocument = new TypedDocumentString(`
    query SourcePage($id: ID!, $first: Int!, $after: String, $filter: ExperimentFilter, $orderBy: ExperimentOrder) {
  __typename
  node(id: $id) {
    __typename
    ...SourceRows
  }
}
    fragment Figure on Aggregate {
  __typename
  metric {
    __typename
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
fragment ExperimentRow on Experiment {
  __typename
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
    __typename
    id
    name
    vendor
  }
  aggregates(basis: REPORTED) {
    __typename
    ...Figure
  }
}
fragment Report on SourceReport {
  __typename
  source {
    __typename
    id
    name
  }
  status
  skipped
  error {
    __typename
    code
    message
    retryable
  }
}
fragment SourceRows on Source {
  __typename
  id
  name
  experiments(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
    __typename
    nodes {
      __typename
      ...ExperimentRow
    }
    pageInfo {
      __typename
      hasNextPage
      endCursor
    }
    totalCount
    isComplete
    sources {
      __typename
      ...Report
    }
  }
}`, {"hash":"sha256:681ba2506290c621dc72eb61af0eaf143f85787915b18d9eb366fa485523d8f8"}) as unknown as TypedDocumentString<SourcePageQuery, SourcePageQueryVariables>;
export const ComputedFiguresDocument = new TypedDocumentString(`
    query ComputedFigures($id: ID!) {
  __typename
  experiment(id: $id) {
    __typename
    id
    aggregates(basis: COMPUTED) {
      __typename
      ...Figure
    }
  }
}
    fragment Figure on Aggregate {
  __typename
  metric {
    __typename
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
}`, {"hash":"sha256:f862b02438e798f18047d9b68efd3a1d616547cdc064eb1c94049d74075e7449"}) as unknown as TypedDocumentString<ComputedFiguresQuery, ComputedFiguresQueryVariables>;
export const NamesDocument = new TypedDocumentString(`
    query Names($ids: [ID!]!) {
  __typename
  nodes(ids: $ids) {
    __typename
    ... on Experiment {
      __typename
      id
      name
      evaluators
      source {
        __typename
        id
        name
        vendor
      }
    }
  }
}
    `, {"hash":"sha256:e34cb0a18d5f152039541c095f8b1f85f98d9a294186dd5762b6d29308feb18d"}) as unknown as TypedDocumentString<NamesQuery, NamesQueryVariables>;
export const ComparisonDocument = new TypedDocumentString(`
    query Comparison($ids: [ID!]!, $baseline: ID, $metrics: [MetricInput!], $statistic: Statistic!, $basis: AggregateBasis!, $joinOn: CaseKey!) {
  __typename
  comparison(
    experimentIds: $ids
    baselineId: $baseline
    metrics: $metrics
    statistic: $statistic
    basis: $basis
    joinOn: $joinOn
  ) {
    __typename
    baseline {
      __typename
      id
    }
    experiments {
      __typename
      id
      name
      source {
        __typename
        id
        name
        vendor
      }
    }
    missingIds
    metrics {
      __typename
      metric {
        __typename
        kind
        evaluator
        name
        unit
        betterWhen
      }
      statistic
      best {
        __typename
        id
      }
      entries {
        __typename
        experiment {
          __typename
          id
        }
        value
        delta
        ratio
        aggregate {
          __typename
          basis
          population
          complete
        }
        cases {
          __typename
          improved
          regressed
          equal
          missing
        }
      }
    }
    sources {
      __typename
      ...Report
    }
  }
}
    fragment Report on SourceReport {
  __typename
  source {
    __typename
    id
    name
  }
  status
  skipped
  error {
    __typename
    code
    message
    retryable
  }
}`, {"hash":"sha256:a33a50aab38105545bc290ca3e2f5dba988a87121b155e062c10a32cbcdd94a5"}) as unknown as TypedDocumentString<ComparisonQuery, ComparisonQueryVariables>;
export const CasesDocument = new TypedDocumentString(`
    query Cases($ids: [ID!]!, $baseline: ID, $joinOn: CaseKey!, $metric: MetricInput!, $outcome: CaseOutcome, $text: String, $orderBy: CaseOrder, $first: Int!, $after: String) {
  __typename
  comparison(experimentIds: $ids, baselineId: $baseline, joinOn: $joinOn) {
    __typename
    experiments {
      __typename
      id
      name
    }
    cases(
      metric: $metric
      outcome: $outcome
      text: $text
      orderBy: $orderBy
      first: $first
      after: $after
    ) {
      __typename
      totalCount
      nodes {
        __typename
        id
        key
        entries {
          __typename
          experiment {
            __typename
            id
          }
          value
          delta
          outcome
        }
      }
      pageInfo {
        __typename
        hasNextPage
        endCursor
      }
    }
    sources {
      __typename
      ...Report
    }
  }
}
    fragment Report on SourceReport {
  __typename
  source {
    __typename
    id
    name
  }
  status
  skipped
  error {
    __typename
    code
    message
    retryable
  }
}`, {"hash":"sha256:11cbb147526d38900e9531841f18912f6304a03744a079ceaa436be358a69113"}) as unknown as TypedDocumentString<CasesQuery, CasesQueryVariables>;
export const CaseTextsDocument = new TypedDocumentString(`
    query CaseTexts($id: ID!) {
  __typename
  node(id: $id) {
    __typename
    ... on CaseComparison {
      __typename
      id
      key
      entries {
        __typename
        experiment {
          __typename
          id
          name
          source {
            __typename
            id
            name
          }
        }
        value
        delta
        outcome
        sessions {
          __typename
          id
          status
          latencyMs
          costUsd
          input
          output
          error
          tokens {
            __typename
            total
          }
          scores {
            __typename
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
    `, {"hash":"sha256:459c88b725ea21752f73526d1792407e84a65a5314f0852d719e6202da6b4fef"}) as unknown as TypedDocumentString<CaseTextsQuery, CaseTextsQueryVariables>;
export const SpreadDocument = new TypedDocumentString(`
    query Spread($ids: [ID!]!, $metric: MetricInput!) {
  __typename
  nodes(ids: $ids) {
    __typename
    ... on Experiment {
      __typename
      id
      name
      aggregate(metric: $metric, basis: COMPUTED) {
        __typename
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
    `, {"hash":"sha256:00d7bf2a22232b384eb5dcbffbf95378ac24d18403e4a552864264b7324bf0c8"}) as unknown as TypedDocumentString<SpreadQuery, SpreadQueryVariables>;
export const HistogramsDocument = new TypedDocumentString(`
    query Histograms($ids: [ID!]!, $metric: MetricInput!, $lower: Float!, $upper: Float!) {
  __typename
  nodes(ids: $ids) {
    __typename
    ... on Experiment {
      __typename
      id
      name
      aggregate(metric: $metric, basis: COMPUTED) {
        __typename
        histogram(bins: 24, lower: $lower, upper: $upper) {
          __typename
          lower
          upper
          count
        }
      }
    }
  }
}
    `, {"hash":"sha256:59e44a790382357cbb74e122ef706f5ae869989ad9500e75d660ca9c16740eed"}) as unknown as TypedDocumentString<HistogramsQuery, HistogramsQueryVariables>;
export const CostAndQualityDocument = new TypedDocumentString(`
    query CostAndQuality($ids: [ID!]!, $quality: MetricInput!) {
  __typename
  nodes(ids: $ids) {
    __typename
    ... on Experiment {
      __typename
      id
      name
      cost: aggregate(metric: {kind: COST}, basis: COMPUTED) {
        __typename
        mean
      }
      quality: aggregate(metric: $quality, basis: COMPUTED) {
        __typename
        metric {
          __typename
          name
          unit
        }
        mean
      }
    }
  }
}
    `, {"hash":"sha256:e645d958709189f6270879bb189268d0bdaf66b6e25fc1b0776de5a9fc4b7308"}) as unknown as TypedDocumentString<CostAndQualityQuery, CostAndQualityQueryVariables>;
export const ExperimentDetailsDocument = new TypedDocumentString(`
    query ExperimentDetails($id: ID!) {
  __typename
  experiment(id: $id) {
    __typename
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
      __typename
      id
      name
      vendor
    }
    aggregates(basis: BEST) {
      __typename
      ...Figure
    }
    oldest: sessions(first: 1, orderBy: {field: STARTED_AT, direction: ASC}) {
      __typename
      nodes {
        __typename
        id
        startedAt
      }
    }
    newest: sessions(first: 1, orderBy: {field: STARTED_AT, direction: DESC}) {
      __typename
      nodes {
        __typename
        id
        startedAt
      }
    }
  }
}
    fragment Figure on Aggregate {
  __typename
  metric {
    __typename
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
}`, {"hash":"sha256:5c4ae69ce38623333b04cfa0f7a3ff9f5c6b576e5b924d90318e03525af34ec7"}) as unknown as TypedDocumentString<ExperimentDetailsQuery, ExperimentDetailsQueryVariables>;
export const SeriesDocument = new TypedDocumentString(`
    query Series($id: ID!, $interval: TimeInterval!, $range: ClosedDateTimeRange!, $timeZone: String!) {
  __typename
  experiment(id: $id) {
    __typename
    id
    timeSeries(
      metrics: [{kind: LATENCY}, {kind: COST}]
      interval: $interval
      range: $range
      timeZone: $timeZone
    ) {
      __typename
      complete
      buckets {
        __typename
        start
        end
        sessionCount
        errorCount
        aggregates {
          __typename
          metric {
            __typename
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
    `, {"hash":"sha256:2dccb980161d2e8d740c20c7c320ffc0032a33ff57f9aadbc4b390449d65f33e"}) as unknown as TypedDocumentString<SeriesQuery, SeriesQueryVariables>;
export const GroupsDocument = new TypedDocumentString(`
    query Groups($id: ID!, $by: SessionDimension!) {
  __typename
  experiment(id: $id) {
    __typename
    id
    sessionGroups(
      by: $by
      metrics: [{kind: LATENCY}, {kind: COST}, {kind: ERROR_RATE}]
    ) {
      __typename
      complete
      otherCount
      groups {
        __typename
        key
        sessionCount
        aggregates {
          __typename
          ...Figure
        }
      }
    }
  }
}
    fragment Figure on Aggregate {
  __typename
  metric {
    __typename
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
}`, {"hash":"sha256:f520cc630619de289d2c0535de7bb687fe4db56821ca5de8f063a16db6cae684"}) as unknown as TypedDocumentString<GroupsQuery, GroupsQueryVariables>;
export const SessionsDocument = new TypedDocumentString(`
    query Sessions($id: ID!, $first: Int!, $after: String, $filter: ExperimentSessionFilter, $orderBy: SessionOrder) {
  __typename
  experiment(id: $id) {
    __typename
    id
    sessions(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
      __typename
      totalCount
      isComplete
      nodes {
        __typename
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
          __typename
          total
        }
        scores {
          __typename
          evaluator
          value
          label
          failed
        }
      }
      pageInfo {
        __typename
        hasNextPage
        endCursor
      }
      sources {
        __typename
        ...Report
      }
    }
  }
}
    fragment Report on SourceReport {
  __typename
  source {
    __typename
    id
    name
  }
  status
  skipped
  error {
    __typename
    code
    message
    retryable
  }
}`, {"hash":"sha256:f886426685c82a4f4b501c998a7c02da2994fdf9bb6147e957db3e393250aed1"}) as unknown as TypedDocumentString<SessionsQuery, SessionsQueryVariables>;
export const SessionDetailsDocument = new TypedDocumentString(`
    query SessionDetails($id: ID!) {
  __typename
  session(id: $id) {
    __typename
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
      __typename
      input
      output
      cached
      reasoning
      total
    }
    scores {
      __typename
      evaluator
      value
      label
      explanation
      failed
    }
    source {
      __typename
      id
      name
      vendor
      capabilities {
        __typename
        spans
      }
    }
    experiment {
      __typename
      id
      name
    }
  }
}
    `, {"hash":"sha256:2d6847776d28648249ca51cd730737553f2cad3943272257a38f166ed7525fda"}) as unknown as TypedDocumentString<SessionDetailsQuery, SessionDetailsQueryVariables>;
export const SpansDocument = new TypedDocumentString(`
    query Spans($id: ID!, $first: Int!, $after: String) {
  __typename
  session(id: $id) {
    __typename
    id
    spans(first: $first, after: $after) {
      __typename
      totalCount
      nodes {
        __typename
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
          __typename
          total
        }
      }
      pageInfo {
        __typename
        hasNextPage
        endCursor
      }
    }
  }
}
    `, {"hash":"sha256:f3f4dc5d7e01e1c84d490972586bc223a3ce2605338c60bcfbd17c53f1debc9d"}) as unknown as TypedDocumentString<SpansQuery, SpansQueryVariables>;
export const SpanDetailsDocument = new TypedDocumentString(`
    query SpanDetails($id: ID!) {
  __typename
  node(id: $id) {
    __typename
    ... on Span {
      __typename
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
        __typename
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
        __typename
        evaluator
        value
        label
        explanation
        failed
      }
    }
  }
}
    `, {"hash":"sha256:bf962cc203759afa945395db056cc69d65ee639cef077c285ecf1d2990731ace"}) as unknown as TypedDocumentString<SpanDetailsQuery, SpanDetailsQueryVariables>;
export const SourceStatesDocument = new TypedDocumentString(`
    query SourceStates {
  __typename
  gateway {
    __typename
    version
    limits {
      __typename
      defaultFirst
      maxFirst
      maxDepth
      maxAliases
      maxCost
      deadlineMs
    }
  }
  sources {
    __typename
    id
    name
    vendor
    apiVersion
    rateLimits {
      __typename
      kind
      calls
      perSeconds
    }
  }
}
    `, {"hash":"sha256:0117c8df25e5d40118cd3eeaaf3444dd826e7d7f993029adc405de712b690a1a"}) as unknown as TypedDocumentString<SourceStatesQuery, SourceStatesQueryVariables>;
export const SourceStateDocument = new TypedDocumentString(`
    query SourceState($id: ID!) {
  __typename
  node(id: $id) {
    __typename
    ... on Source {
      __typename
      id
      health {
        __typename
        status
        circuit
        checkedAt
        lastError {
          __typename
          code
          message
          retryable
        }
      }
      apiVersion
      capabilities {
        __typename
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
    `, {"hash":"sha256:de10da998ac92da49484e17af108a0b5166337c5d319810a6918a8b40c00b3c2"}) as unknown as TypedDocumentString<SourceStateQuery, SourceStateQueryVariables>;