// Prints, as JSON, which sources Apollo Client shows after each part: node clients/apollo-defer.mjs URL [ids]
import { GraphQL17Alpha9Handler } from '@apollo/client/incremental';
// docs: apollo-defer
import { ApolloClient, HttpLink, InMemoryCache, NetworkStatus, gql } from '@apollo/client';
import { Defer20220824Handler } from '@apollo/client/incremental';

function createClient(uri, incrementalHandler = new Defer20220824Handler()) {
  return new ApolloClient({
    cache: new InMemoryCache(),
    link: new HttpLink({ uri }),
    incrementalHandler,
    defaultOptions: { watchQuery: { errorPolicy: 'all' } },
  });
}

// One field for each source. Each fragment comes as soon as its source has replied.
const BY_SOURCE = gql`
  query BySource($first: Int!) {
    sources { id name }
    ... @defer(label: "nemo") {
      nemo: experiments(first: $first, filter: { sources: ["nemo"] }) { ...Rows }
    }
    ... @defer(label: "langsmith") {
      langsmith: experiments(first: $first, filter: { sources: ["langsmith"] }) { ...Rows }
    }
    ... @defer(label: "meibel") {
      meibel: experiments(first: $first, filter: { sources: ["meibel"] }) { ...Rows }
    }
  }
  fragment Rows on ExperimentConnection {
    nodes { id name createdAt }
    pageInfo { hasNextPage endCursor }
    isComplete
    sources { source { id name } status error { code message retryable } }
  }
`;

// show gets the sources whose rows are there, and whether more follow. A field without its rows yet is absent.
function watchBySource(client, show) {
  const query = client.watchQuery({ query: BY_SOURCE, variables: { first: 5 } });
  return query.subscribe(({ data, networkStatus, error }) => {
    if (!data?.sources) return;
    const lists = data.sources.map(({ name }) => [name, data[name]]).filter(([, list]) => list !== undefined);
    const isLast = networkStatus === NetworkStatus.ready || networkStatus === NetworkStatus.error;
    show({ lists: Object.fromEntries(lists), isLast, error });
  });
}
// docs end

const [url, form] = process.argv.slice(2);
const client = form === 'ids' ? createClient(url, new GraphQL17Alpha9Handler()) : createClient(url);
const shown = [];
await new Promise((resolve) => {
  const subscription = watchBySource(client, ({ lists, isLast, error }) => {
    const rows = Object.entries(lists).map(([name, list]) => [name, list?.nodes.map(({ name }) => name) ?? null]);
    const codes = (error?.errors ?? []).map(({ path, extensions }) => [path.join('.'), extensions.code]);
    shown.push({ rows: Object.fromEntries(rows), isLast, codes });
    if (isLast) resolve(subscription.unsubscribe());
  });
});
const again = await client.query({ query: BY_SOURCE, variables: { first: 5 } });
console.log(JSON.stringify({ shown, cached: Object.keys(again.data) }));
client.stop();

