// The connection to the gateway: its cache, its trusted documents, and the key that a visitor may have to give.
import { cacheExchange } from '@urql/exchange-graphcache';
import hashes from 'virtual:hashes';
import types from 'virtual:types';
import {
  type AnyVariables,
  Client,
  type CombinedError,
  type UseQueryArgs,
  type UseQueryResponse,
  fetchExchange,
  makeOperation,
  mapExchange,
  useQuery,
} from 'urql';
import { prefix } from './router';

const KEY = 'tracegraph-key';
const refused = 'tracegraph:refused';

// Only the tab's session has the key: it ends with the tab, and no other tab sees it.
export const storedKey = (): string | null => window.sessionStorage.getItem(KEY);

export function storeKey(key: string | null): void {
  if (key) window.sessionStorage.setItem(KEY, key);
  else window.sessionStorage.removeItem(KEY);
}

/** Call the listener when the gateway refuses a request for want of a key. */
export function onRefused(listener: () => void): () => void {
  window.addEventListener(refused, listener);
  return () => window.removeEventListener(refused, listener);
}

/** The pages send hashes only: the gateway trusts their documents, also where it trusts no others. */
const trustedDocuments = mapExchange({
  onOperation(operation) {
    const definition = operation.query.definitions.find((node) => node.kind === 'OperationDefinition');
    const name = definition && 'name' in definition ? definition.name?.value : undefined;
    const sha256Hash = name && hashes[name];
    if (operation.kind !== 'query' || !sha256Hash) return operation;
    const named = makeOperation(operation.kind, operation);
    named.extensions = { ...operation.extensions, persistedQuery: { version: 1, sha256Hash } };
    return named;
  },
  onError(error) {
    if (codes(error).includes('UNAUTHENTICATED')) window.dispatchEvent(new Event(refused));
  },
});

/**
 * A cache without the schema: it has an object whole or not at all. With the schema it would give null for each field
 * that it has not read yet, and the page would show a dash for a figure that is on its way.
 */
const cache = () =>
  cacheExchange({
    keys: Object.fromEntries(types.embedded.map((name) => [name, () => null])),
    possibleTypes: types.possible,
  });

export function createClient(): Client {
  return new Client({
    url: `${window.location.origin}${prefix}/graphql`,
    preferGetMethod: false,
    fetchOptions: () => {
      const key = storedKey();
      return key ? { headers: { Authorization: `Bearer ${key}` } } : {};
    },
    exchanges: [cache(), trustedDocuments, fetchExchange],
  });
}

/**
 * Run a query. While the reply to other variables comes, there are no data.
 *
 * `useQuery` returns those of the variables before. A page would show them under the name and the unit of another
 * metric, or the rows of one page as those of the next.
 */
export function useOwnQuery<Data, Variables extends AnyVariables>(
  query: UseQueryArgs<Variables, Data>,
): UseQueryResponse<Data, Variables> {
  const [result, again] = useQuery(query);
  const isOwn = JSON.stringify(result.operation?.variables) === JSON.stringify(query.variables);
  return [isOwn ? result : { ...result, fetching: !query.pause, data: undefined, error: undefined }, again];
}

export interface Failure {
  code: string;
  message: string;
}

function codes(error: CombinedError): string[] {
  return error.graphQLErrors.map(({ extensions }) => String(extensions['code']));
}

/** Return why a request or a field of it failed: the gateway's own sentence where it sent one. */
export function failure(error: CombinedError): Failure {
  return reason(error.graphQLErrors[0]) ?? { code: 'NETWORK', message: 'The gateway does not respond.' };
}

/** Return why the object at this path, or a field of it, failed. */
export function failureAt({ graphQLErrors }: CombinedError, path: readonly (string | number)[]): Failure | null {
  return reason(graphQLErrors.find((error) => path.every((key, index) => error.path?.[index] === key)));
}

const reason = (error: CombinedError['graphQLErrors'][number] | undefined): Failure | null =>
  error ? { code: String(error.extensions['code']), message: error.message } : null;
