// The page has the same address as the endpoint, so queries go to that address.
const endpoint = window.location.pathname;

/** Send one request as GraphQL over HTTP specifies. Return an error with a message for any other response. */
async function send(request, headers, signal) {
  const all = new Headers({
    'Content-Type': 'application/json',
    Accept: 'application/graphql-response+json, application/json;q=0.9',
  });
  for (const [name, value] of Object.entries(headers)) {
    all.set(name, value);
  }
  const response = await fetch(endpoint, { method: 'POST', headers: all, body: JSON.stringify(request), signal });
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
      const ifNotStopped = (report) => (result) => controller.signal.aborted || report(result);
      send(request, headers, controller.signal).then(
        ifNotStopped((response) => {
          next(response);
          complete();
        }),
        ifNotStopped(error),
      );
      return { unsubscribe: () => controller.abort() };
    },
  };
}
