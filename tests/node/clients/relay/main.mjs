// Prints, as JSON, what Relay sees: node main.mjs URL URL_WITH_A_FAILED_SOURCE
import runtime from 'relay-runtime';
// babel-plugin-relay puts these in the place of the graphql tags.
import List from './src/__generated__/sessions_list.graphql.js';
import Nodes from './src/__generated__/sessionsNodesQuery.graphql.js';
import PageQuery from './src/__generated__/sessionsPageQuery.graphql.js';
import Query from './src/__generated__/sessionsQuery.graphql.js';

const { Environment, Network, RecordSource, Store, fetchQuery, getSelector } = runtime;

// docs: relay-environment
function createEnvironment(url) {
  async function send(request, variables) {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Deadline-Ms': '8000' },
      body: JSON.stringify({ documentId: request.id, variables }),
    });
    return response.json();
  }
  return new Environment({ network: Network.create(send), store: new Store(new RecordSource()) });
}
// docs end

// docs: relay-pages
function list(environment, data) {
  return environment.lookup(getSelector(List, data)).data.sessions;
}

// In React, usePaginationFragment has loadNext and hasNext for this.
async function loadSessions(environment, filter, enough) {
  let sessions = list(environment, await fetchQuery(environment, Query, { filter }).toPromise());
  const pages = [sessions];
  // A page without new rows is not the last one: only hasNextPage says that.
  while (sessions.edges.length < enough && sessions.pageInfo.hasNextPage) {
    const variables = { filter, after: sessions.pageInfo.endCursor };
    sessions = list(environment, await fetchQuery(environment, PageQuery, variables).toPromise());
    pages.push(sessions);
  }
  // The connection has the isComplete and the sources of its newest page, so keep those of every page.
  return { sessions, pages, isComplete: pages.every((page) => page.isComplete) };
}
// docs end

const [url, failing] = process.argv.slice(2);
const environment = createEnvironment(url);
const { sessions, pages } = await loadSessions(environment, null, 30);
const empty = await loadSessions(environment, { text: 'no session has this text' }, 1);
const incomplete = await loadSessions(createEnvironment(failing), null, 1);
const ids = [sessions.edges[0].node.id, 'not an id'];
console.log(
  JSON.stringify({
    pages: pages.map((page) => ({ ...page, edges: page.edges.slice(-20) })),
    merged: sessions,
    emptyPages: empty.pages,
    incomplete: incomplete.sessions,
    isComplete: incomplete.isComplete,
    nodes: { data: await fetchQuery(environment, Nodes, { ids }).toPromise() },
  }),
);
