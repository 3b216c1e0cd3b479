// Prints, as JSON, what the urql client sees: node clients/urql.mjs URL URL_WITH_A_FAILED_SOURCE schema.graphql
// docs: urql-client
import { readFile } from 'node:fs/promises';
import { Client, fetchExchange, gql } from '@urql/core';
import { cacheExchange } from '@urql/exchange-graphcache';
import { persistedExchange } from '@urql/exchange-persisted';
import { buildSchema, introspectionFromSchema } from 'graphql';

// In a browser build, write this object to a JSON file and import that instead.
async function introspection(path) {
  return introspectionFromSchema(buildSchema(await readFile(path, 'utf8')), { descriptions: false });
}

function createClient(url, schema) {
  // Objects without an id are part of the object that holds them.
  const embedded = schema.__schema.types
    .filter((type) => type.kind === 'OBJECT' && !type.fields.some((field) => field.name === 'id'))
    .map((type) => [type.name, () => null]);
  return new Client({
    url,
    preferGetMethod: false,
    fetchOptions: { headers: { 'X-Deadline-Ms': '8000' } },
    exchanges: [
      cacheExchange({ schema, keys: Object.fromEntries(embedded) }),
      persistedExchange({ preferGetForPersistedQueries: false }),
      fetchExchange,
    ],
  });
}
// docs end

// docs: urql-pages
const SESSIONS = gql`
  query Sessions($filter: SessionFilter, $orderBy: SessionOrder, $after: String) {
    sessions(first: 20, after: $after, filter: $filter, orderBy: $orderBy) {
      nodes { __typename id name startedAt status metadata }
      pageInfo { hasNextPage endCursor }
      isComplete
      sources { source { __typename id name } status error { code message retryable } }
    }
  }
`;

// A view keeps its pages in an array. Graphcache has one entry for each set of arguments.
async function sessionPages(client, filter, enough, requestPolicy = 'cache-first') {
  const pages = [];
  let after = null;
  let rows = 0;
  do {
    const { data, error } = await client.query(SESSIONS, { filter, after }, { requestPolicy });
    if (!data?.sessions) throw error;
    pages.push(data.sessions);
    rows += data.sessions.nodes.length;
    after = data.sessions.pageInfo.endCursor;
    // An empty page is not the last one: only hasNextPage says that.
  } while (rows < enough && pages.at(-1).pageInfo.hasNextPage);
  return pages;
}
// docs end

// docs: urql-errors
const NODES = gql`
  query Nodes($ids: [ID!]!) {
    nodes(ids: $ids) { __typename id ... on Experiment { name } }
    gateway { version }
  }
`;

// data and error come together: data has null where an error stands.
async function nodes(client, ids) {
  const { data, error } = await client.query(NODES, { ids });
  const codes = (error?.graphQLErrors ?? []).map(({ path, extensions }) => [path.join('.'), extensions.code]);
  return { data, codes };
}
// docs end

const [url, failing, schemaPath] = process.argv.slice(2);
const schema = await introspection(schemaPath);
const client = createClient(url, schema);
const pages = await sessionPages(client, null, 30);
const emptyPages = await sessionPages(client, { text: 'no session has this text' }, 1);
const [incomplete] = await sessionPages(createClient(failing, schema), null, 1, 'network-only');
const known = pages[0].sources[0].source.id;
console.log(
  JSON.stringify({
    pages,
    emptyPages,
    incomplete,
    nodes: await nodes(client, [known, 'not an id']),
  }),
);
