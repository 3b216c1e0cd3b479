// The page has the same address as the endpoint, so queries go to that address.
const endpoint = window.location.pathname;

/** Send one request as GraphQL over HTTP specifies. Return an error with a message for any other response. */
export async function fetcher(request, { headers = {} } = {}) {
  const all = new Headers({
    'Content-Type': 'application/json',
    Accept: 'application/graphql-response+json, application/json;q=0.9',
  });
  for (const [name, value] of Object.entries(headers)) {
    all.set(name, value);
  }
  const response = await fetch(endpoint, { method: 'POST', headers: all, body: JSON.stringify(request) });
  const body = await response.text();
  try {
    return JSON.parse(body);
  } catch {
    const what = `${endpoint} responded with ${response.status} ${response.statusText}`.trim();
    return { errors: [{ message: `${what}, which is not a GraphQL response: ${body.slice(0, 500)}` }] };
  }
}
