// Prints, as JSON, what Apollo Client sees: node clients/apollo.mjs URL URL_WITH_A_FAILED_SOURCE
// docs: apollo-client
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache, gql } from '@apollo/client';
import { PersistedQueryLink } from '@apollo/client/link/persisted-queries';
import { relayStylePagination } from '@apollo/client/utilities';

const sessions = relayStylePagination(['filter', 'orderBy', 'activeExperiments']);
const experiments = relayStylePagination(['filter', 'orderBy']);

function createCache() {
  return new InMemoryCache({
    possibleTypes: { Node: ['CaseComparison', 'Experiment', 'Session', 'Source', 'Span'] },
    typePolicies: {
      Query: { fields: { experiments, sessions } },
      Source: { fields: { experiments, sessions } },
      Experiment: { fields: { sessions: relayStylePagination(['filter', 'orderBy']) } },
      Comparison: { fields: { cases: relayStylePagination(['metric', 'outcome', 'text', 'orderBy']) } },
      // Objects without an id: queries that select different fields of them share one object.
      Gateway: { merge: true },
      GatewayLimits: { merge: true },
      SourceCapabilities: { merge: true },
      SourceHealth: { merge: true },
      TokenUsage: { merge: true },
    },
  });
}

async function sha256(text) {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text));
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function createClient(uri) {
  return new ApolloClient({
    cache: createCache(),
    link: ApolloLink.from([
      new PersistedQueryLink({ sha256 }),
      new HttpLink({ uri, headers: { 'X-Deadline-Ms': '8000' } }),
    ]),
    defaultOptions: { query: { errorPolicy: 'all' }, watchQuery: { errorPolicy: 'all' } },
  });
}
// docs end

// docs: apollo-pages
const SESSIONS = gql`
  query Sessions($filter: SessionFilter, $orderBy: SessionOrder, $after: String) {
    sessions(first: 20, after: $after, filter: $filter, orderBy: $orderBy) {
      edges { cursor node { id name startedAt status metadata } }
      pageInfo { hasNextPage endCursor }
      isComplete
      sources { source { id name } status error { code message retryable } }
    }
  }
`;

// watchQuery returns an ObservableQuery, as useQuery does in React.
async function loadSessions(query, enough) {
  const pages = [(await query.refetch()).data.sessions];
  let rows = pages[0].edges.length;
  // An empty page is not the last one: only hasNextPage says that.
  while (rows < enough && pages.at(-1).pageInfo.hasNextPage) {
    const { data } = await query.fetchMore({ variables: { after: pages.at(-1).pageInfo.endCursor } });
    pages.push(data.sessions);
    rows += data.sessions.edges.length;
  }
  // The merged list has the isComplete and the sources of its newest page, so keep those of every page.
  return { pages, isComplete: pages.every((page) => page.isComplete) };
}
// docs end

// docs: apollo-errors
const NODES = gql`
  query Nodes($ids: [ID!]!) {
    nodes(ids: $ids) { id ... on Experiment { name } }
    gateway { version }
  }
`;

// With errorPolicy 'all', data has null where an error stands.
async function nodes(client, ids) {
  const { data, error } = await client.query({ query: NODES, variables: { ids } });
  const codes = (error?.errors ?? []).map(({ path, extensions }) => [path.join('.'), extensions.code]);
  return { data, codes };
}
// docs end

const [url, failing] = process.argv.slice(2);
const client = createClient(url);
const query = client.watchQuery({ query: SESSIONS });
const subscription = query.subscribe({});
const { pages } = await loadSessions(query, 30);
const merged = client.readQuery({ query: SESSIONS }).sessions;
subscription.unsubscribe();
const none = client.watchQuery({ query: SESSIONS, variables: { filter: { text: 'no session has this text' } } });
const emptyPages = await loadSessions(none, 1);
const incomplete = await loadSessions(createClient(failing).watchQuery({ query: SESSIONS }), 1);
const known = pages[0].sources[0].source.id;
console.log(
  JSON.stringify({
    pages,
    merged,
    emptyPages: emptyPages.pages,
    incomplete: incomplete.pages[0],
    isComplete: incomplete.isComplete,
    nodes: await nodes(client, [known, 'not an id']),
  }),
);
client.stop();
