"""The part of Phoenix's GraphQL schema that the simulator answers (docs/vendors/phoenix.md#graphql)."""

from graphql import build_schema

SCHEMA = build_schema("""
scalar DateTime
scalar JSON

enum SortDir { asc desc }
enum ProjectColumn { name endTime }
enum DatasetColumn { createdAt name }
enum ExperimentColumn { sequenceNumber createdAt }
enum SpanColumn { startTime endTime latencyMs cumulativeTokenCountTotal cumulativeTokenCostTotal }
enum SessionColumn { startTime endTime }
enum SpanStatusCode { OK ERROR UNSET }
enum SpanKind {
  chain tool llm prompt retriever embedding agent reranker evaluator guardrail decision unknown
}

input ProjectSort { col: ProjectColumn! dir: SortDir! }
input ProjectFilter { col: ProjectColumn! value: String! }
input DatasetSort { col: DatasetColumn! dir: SortDir! }
input DatasetFilter { col: DatasetColumn value: String }
input ExperimentSort { col: ExperimentColumn! dir: SortDir! }
input SpanSort { col: SpanColumn dir: SortDir! }
input SessionSort { col: SessionColumn dir: SortDir! }
input TimeRange { start: DateTime end: DateTime }

interface Node { id: ID! }
type PageInfo { hasNextPage: Boolean! endCursor: String }

type Query {
  projects(first: Int = 50, after: String, sort: ProjectSort, filter: ProjectFilter): ProjectConnection!
  datasets(first: Int = 50, after: String, sort: DatasetSort, filter: DatasetFilter): DatasetConnection!
  node(id: ID!): Node!
  projectCount: Int!
  datasetCount: Int!
}

type ProjectConnection { edges: [ProjectEdge!]! pageInfo: PageInfo! }
type ProjectEdge { cursor: String! node: Project! }
type Project implements Node {
  id: ID!
  name: String!
  description: String
  createdAt: DateTime!
  updatedAt: DateTime!
  startTime: DateTime
  endTime: DateTime
  recordCount(filterCondition: String): Int!
  traceCount(filterCondition: String): Int!
  sessionCount: Int!
  tokenCountTotal: Float!
  tokenCountPrompt: Float!
  tokenCountCompletion: Float!
  costSummary: SpanCostSummary!
  latencyMsQuantile(probability: Float!): Float
  spanLatencyMsQuantile(probability: Float!, filterCondition: String): Float
  spanAnnotationNames: [String!]!
  traceAnnotationNames: [String!]!
  spans(
    first: Int!, after: String, filterCondition: String, sort: SpanSort, timeRange: TimeRange
  ): SpanConnection!
  sessions(first: Int!, sort: SessionSort): ProjectSessionConnection!
}

type CostBreakdown { cost: Float tokens: Float }
type SpanCostSummary { total: CostBreakdown! prompt: CostBreakdown! completion: CostBreakdown! }

type SpanConnection { edges: [SpanEdge!]! pageInfo: PageInfo! }
type SpanEdge { cursor: String! node: Span! }
type SpanIOValue { value: String! mimeType: String! }
type Span implements Node {
  id: ID!
  spanId: ID!
  parentId: ID
  name: String!
  spanKind: SpanKind!
  statusCode: SpanStatusCode!
  statusMessage: String!
  startTime: DateTime!
  endTime: DateTime
  latencyMs: Float
  attributes: String!
  metadata: String
  input: SpanIOValue
  output: SpanIOValue
  tokenCountTotal: Int
  cumulativeTokenCountTotal: Float
  cumulativeTokenCountPrompt: Float
  cumulativeTokenCountCompletion: Float
  costSummary: SpanCostSummary
  spanAnnotations: [SpanAnnotation!]!
  trace: Trace!
}
type SpanAnnotation { name: String! label: String score: Float explanation: String annotatorKind: String! }
type TraceAnnotation { name: String! label: String score: Float explanation: String annotatorKind: String! }
type Trace implements Node {
  id: ID!
  traceId: ID!
  numSpans: Int!
  errorCount: Int!
  costSummary: SpanCostSummary!
  session: ProjectSession
  traceAnnotations: [TraceAnnotation!]!
  spans(first: Int!, after: String): SpanConnection!
}

type ProjectSessionConnection { edges: [ProjectSessionEdge!]! pageInfo: PageInfo! }
type ProjectSessionEdge { cursor: String! node: ProjectSession! }
type TokenUsage { prompt: Float! completion: Float! total: Float! }
type ProjectSession implements Node {
  id: ID!
  sessionId: String!
  startTime: DateTime!
  endTime: DateTime!
  numTraces: Int!
  numTracesWithError: Int!
  tokenUsage: TokenUsage!
  costSummary: SpanCostSummary!
  firstInput: SpanIOValue
  lastOutput: SpanIOValue
  traceLatencyMsQuantile(probability: Float!): Float
  userId: String
}

type DatasetConnection { edges: [DatasetEdge!]! pageInfo: PageInfo! }
type DatasetEdge { cursor: String! node: Dataset! }
type Dataset implements Node {
  id: ID!
  name: String!
  experimentCount: Int!
  experiments(
    first: Int = 50, after: String, filterCondition: String, filterIds: [ID!], sort: ExperimentSort
  ): ExperimentConnection!
}

type ExperimentConnection { edges: [ExperimentEdge!]! pageInfo: PageInfo! }
type ExperimentEdge { cursor: String! node: Experiment! }
type DatasetVersion implements Node { id: ID! }
type Experiment implements Node {
  id: ID!
  name: String!
  description: String
  sequenceNumber: Int!
  isBaseline: Boolean!
  createdAt: DateTime!
  updatedAt: DateTime!
  metadata: JSON!
  repetitions: Int!
  projectName: String
  dataset: Dataset!
  datasetVersion: DatasetVersion!
  errorRate: Float
  averageRunLatencyMs: Float
  runCount: Int!
  expectedRunCount: Int!
  costSummary: SpanCostSummary!
  annotationSummaries: [ExperimentAnnotationSummary!]!
  runs(first: Int = 50, after: String): ExperimentRunConnection!
}
type LabelFraction { label: String! fraction: Float! }
type ExperimentAnnotationSummary {
  annotationName: String!
  meanScore: Float
  minScore: Float
  maxScore: Float
  count: Int!
  scoreCount: Int!
  labelCount: Int!
  errorCount: Int!
  labelFractions: [LabelFraction!]!
}

type ExperimentRunConnection { edges: [ExperimentRunEdge!]! pageInfo: PageInfo! }
type ExperimentRunEdge { cursor: String! node: ExperimentRun! }
type ExperimentRun implements Node {
  id: ID!
  experimentId: ID!
  repetitionNumber: Int!
  traceId: String
  startTime: DateTime!
  endTime: DateTime!
  latencyMs: Float!
  error: String
  output: JSON
  example: DatasetExample!
  costSummary: SpanCostSummary!
  trace: Trace
  annotations(first: Int = 50): RunAnnotationConnection!
}
type DatasetExample implements Node { id: ID! revision: DatasetExampleRevision! }
type DatasetExampleRevision { input: JSON! output: JSON! metadata: JSON! }
type RunAnnotationConnection { edges: [RunAnnotationEdge!]! }
type RunAnnotationEdge { node: ExperimentRunAnnotation! }
type ExperimentRunAnnotation {
  name: String! label: String score: Float explanation: String error: String annotatorKind: String!
}
""")
