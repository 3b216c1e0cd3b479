// Prints, as JSON, what the compiled src/sessions.ts sees: node main.mjs URL URL_WITH_A_FAILED_SOURCE
import { sessionPages } from './built/sessions.js';

const [url, failing] = process.argv.slice(2);
const pages = await sessionPages(url, {}, 30);
const emptyPages = await sessionPages(url, { filter: { text: 'no session has this text' } }, 1);
const [incomplete] = await sessionPages(failing, {}, 1);
console.log(JSON.stringify({ pages, emptyPages, incomplete }));
