// Monaco's language services run in workers; the page has the URL of each worker.
const urls = document.getElementById('playground').dataset;

globalThis.MonacoEnvironment = {
  getWorker(_id, label) {
    const url = { graphql: urls.graphqlWorker, json: urls.jsonWorker }[label] ?? urls.editorWorker;
    return new Worker(url, { type: 'module', name: label });
  },
};
