// Prints, as JSON, which sources the urql client shows after each part: node clients/urql-defer.mjs URL
// docs: urql-defer
import { Client, fetchExchange, gql } from '@urql/core';

// Graphcache merges the parts too: put its cacheExchange before the fetchExchange.
function createClient(url) {
  return new Client({ url, preferGetMethod: false, exchanges: [fetchExchange] });
}

// One field for each source. Each fragment comes as soon as its source has replied.
const BY_SOURCE = gql`
  query BySource($first: Int!) {
    sources { id name }
    ... @defer {
      nemo: experiments(first: $first, filter: { sources: ["nemo"] }) { ...Rows }
    }
    ... @defer {
      langsmith: experiments(first: $first, filter: { sources: ["langsmith"] }) { ...Rows }
    }
    ... @defer {
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
  return client.query(BY_SOURCE, { first: 5 }).subscribe(({ data, error, hasNext }) => {
    if (!data?.sources) return;
    const lists = data.sources.map(({ name }) => [name, data[name]]).filter(([, list]) => list !== undefined);
    show({ lists: Object.fromEntries(lists), isLast: !hasNext, error });
  });
}
// docs end

const [url] = process.argv.slice(2);
const client = createClient(url);
const shown = [];
await new Promise((resolve) => {
  watchBySource(client, ({ lists, isLast, error }) => {
    const rows = Object.entries(lists).map(([name, list]) => [name, list?.nodes.map(({ name }) => name) ?? null]);
    const codes = (error?.graphQLErrors ?? []).map(({ path, extensions }) => [path.join('.'), extensions.code]);
    shown.push({ rows: Object.fromEntries(rows), isLast, codes });
    if (isLast) resolve();
  });
});
console.log(JSON.stringify({ shown }));
