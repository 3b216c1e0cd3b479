// docs: codegen-query
import { graphql } from './generated/gql.js';
import type { SessionsQueryVariables, TypedDocumentString } from './generated/graphql.js';

const Sessions = graphql(`
  query Sessions($filter: SessionFilter, $orderBy: SessionOrder, $after: String) {
    sessions(first: 20, after: $after, filter: $filter, orderBy: $orderBy) {
      nodes { id startedAt costUsd metadata }
      pageInfo { hasNextPage endCursor }
      isComplete
      sources { source { name } status error { code message retryable } }
    }
  }
`);

interface Answer<Data> {
  data?: Data | null;
  errors?: { message: string; path?: (string | number)[]; extensions: { code: string } }[];
}

async function execute<Data, Variables>(
  url: string,
  document: TypedDocumentString<Data, Variables>,
  variables: Variables,
): Promise<Answer<Data>> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-Deadline-Ms': '8000' },
    body: JSON.stringify({ documentId: document.__meta__?.['hash'], variables }),
  });
  return response.json() as Promise<Answer<Data>>;
}

export async function sessionPages(url: string, variables: SessionsQueryVariables, enough: number) {
  const pages = [];
  let after: string | null = null;
  let rows = 0;
  do {
    const answer: Awaited<ReturnType<typeof page>> = await page(url, { ...variables, after });
    pages.push(answer);
    rows += answer.nodes.length;
    after = answer.pageInfo.hasNextPage ? answer.pageInfo.endCursor : null;
  } while (rows < enough && after !== null);
  return pages;
}

async function page(url: string, variables: SessionsQueryVariables) {
  const { data, errors } = await execute(url, Sessions, variables);
  // The list is null with an error if every source failed.
  if (!data?.sessions) throw new Error(errors?.[0]?.message ?? 'no response');
  return data.sessions;
}
// docs end

// A strict compiler refuses what the schema does not have.
// @ts-expect-error No order has this name.
export const wrongOrder: SessionsQueryVariables = { orderBy: { field: 'SIZE' } };

// @ts-expect-error The cost is null where the vendor has none.
export const wrongCost = async (url: string): Promise<number> => (await page(url, {})).nodes[0]!.costUsd;
