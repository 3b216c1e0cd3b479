import './workers.js';
import { explorerPlugin } from '@graphiql/plugin-explorer';
import { useGraphiQL } from '@graphiql/react';
import { GraphiQL, HISTORY_PLUGIN } from 'graphiql';
import { useEffect } from 'react';
import { createRoot } from 'react-dom/client';
import { examples, newTab } from './examples.js';
import { fetcher } from './fetcher.js';

/** A narrow window has no room for the variables pane until the user opens it. */
const openTools = window.matchMedia('(max-width: 799px)').matches ? false : 'variables';

const plugins = [explorerPlugin({ showAttribution: false }), HISTORY_PLUGIN];

/** Three traces that meet in one graph. */
function Mark() {
  return (
    <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round" aria-hidden="true">
      <path d="M5 5c5 0 5 7 10 7M5 12h10M5 19c5 0 5-7 10-7" />
      <g fill="currentColor" stroke="none">
        <circle cx="4" cy="5" r="2.5" />
        <circle cx="4" cy="12" r="2.5" />
        <circle cx="4" cy="19" r="2.5" />
        <circle cx="18" cy="12" r="4" />
      </g>
    </svg>
  );
}

/** Writes into each new tab a query to replace, with the cursor at its end. GraphiQL has no query for a new tab. */
function NewTab() {
  const editor = useGraphiQL((state) => state.queryEditor);
  const tab = useGraphiQL((state) => state.tabs[state.activeTabIndex]);
  const isNew = tab.query === null;
  useEffect(() => {
    if (editor && isNew) {
      editor.setValue(newTab);
      editor.setPosition(editor.getModel().getFullModelRange().getEndPosition());
      editor.focus();
    }
  }, [editor, isNew, tab.id]);
  return null;
}

function Playground() {
  return (
    <GraphiQL
      fetcher={fetcher}
      plugins={plugins}
      defaultTabs={examples}
      defaultEditorToolsVisibility={openTools}
      isHeadersEditorEnabled
    >
      <GraphiQL.Logo>
        <h1 className="tracegraph">
          <Mark />
          Tracegraph
        </h1>
      </GraphiQL.Logo>
      <NewTab />
    </GraphiQL>
  );
}

createRoot(document.getElementById('playground')).render(<Playground />);
