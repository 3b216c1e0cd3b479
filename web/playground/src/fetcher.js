import { meros } from 'meros/browser';

// The page has the same address as the endpoint, so queries go to that address.
const endpoint = window.location.pathname;

/** Send one request as GraphQL over HTTP specifies. Yield the parts of a response with @defer, else the response. */
async function* send(request, headers, signal) {
  const all = new Headers({
    'Content-Type': 'application/json',
    Accept: 'multipart/mixed, application/graphql-response+json, application/json;q=0.9',
  });
  for (const [name, value] of Object.entries(headers)) {
    all.set(name, value);
  }
  const response = await fetch(endpoint, { method: 'POST', headers: all, body: JSON.stringify(request), signal });
  const parts = await meros(response);
  if (parts === response) {
    yield await whole(response);
    return;
  }
  for await (const part of parts) {
    yield part.body;
  }
}

/** Return an error with a message for anything but a GraphQL response. */
async function whole(response) {
  const body = await response.text();
  try {
    return JSON.parse(body);
  } catch {
    const what = `${endpoint} responded with ${response.status} ${response.statusText}`.trim();
    return { errors: [{ message: `${what}, which is not a GraphQL response: ${body.slice(0, 500)}` }] };
  }
}

/** Return an observable of the response. GraphiQL's Stop unsubscribes from it, which aborts the request. */
export function fetcher(request, { headers = {} } = {}) {
  return {
    subscribe({ next, error, complete }) {
      const controller = new AbortController();
      const { signal } = controller;
      (async () => {
        for await (const result of send(request, headers, signal)) {
          if (!signal.aborted) next(result);
        }
        if (!signal.aborted) complete();
      })().catch((reason) => signal.aborted || error(reason));
      return { unsubscribe: () => controller.abort() };
    },
  };
}
