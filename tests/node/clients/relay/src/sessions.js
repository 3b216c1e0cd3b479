// docs: relay-list
import { graphql } from 'relay-runtime';

export const Query = graphql`
  query sessionsQuery($filter: SessionFilter, $orderBy: SessionOrder) {
    ...sessions_list @arguments(filter: $filter, orderBy: $orderBy)
  }
`;

export const List = graphql`
  fragment sessions_list on Query
  @argumentDefinitions(
    filter: { type: "SessionFilter" }
    orderBy: { type: "SessionOrder" }
    first: { type: "Int", defaultValue: 20 }
    after: { type: "String" }
  )
  @refetchable(queryName: "sessionsPageQuery") {
    sessions(first: $first, after: $after, filter: $filter, orderBy: $orderBy)
      @connection(key: "list_sessions", filters: ["filter", "orderBy"]) {
      edges { node { id name startedAt status metadata } }
      pageInfo { hasNextPage endCursor }
      isComplete
      sources { source { name } status error { code message retryable } }
    }
  }
`;

export const Nodes = graphql`
  query sessionsNodesQuery($ids: [ID!]!) {
    nodes(ids: $ids) { __typename id ... on Experiment { name } }
    gateway { version }
  }
`;
// docs end
