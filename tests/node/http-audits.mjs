// Prints, as JSON, how an endpoint fares in the audits of GraphQL over HTTP: node http-audits.mjs http://.../graphql
import { auditServer } from 'graphql-http';

const url = process.argv[2];
const results = await auditServer({ url, fetchFn: fetch });
const told = results.map(({ id, name, status, reason }) => ({ id, name, status, reason: reason ?? null }));
process.stdout.write(JSON.stringify(told));
