import { Component, type ReactNode, StrictMode, Suspense, lazy, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { Provider } from 'urql';
import { createClient, onRefused, storeKey, storedKey } from './client';
import { ListPage } from './pages/list';
import { Link, decoded, prefix, useAddress } from './router';
import './styles.css';
import { Failed, KeyDialog, Loading } from './ui';

// The first page is in the first script. The others come when they are opened.
const ComparePage = lazy(() => import('./pages/compare'));
const ExperimentPage = lazy(() => import('./pages/experiment'));
const SessionPage = lazy(() => import('./pages/session'));
const SourcesPage = lazy(() => import('./pages/sources'));

function Page() {
  const { path } = useAddress();
  const [, kind, id] = path.match(/^\/(experiments|sessions)\/(.+)$/) ?? [];
  if (kind === 'experiments') return <ExperimentPage key={id} id={decoded(id!)} />;
  if (kind === 'sessions') return <SessionPage key={id} id={decoded(id!)} />;
  if (path === '/compare') return <ComparePage />;
  if (path === '/sources') return <SourcesPage />;
  return <ListPage />;
}

/** Shows a failure of a page in its place: a script that did not load, after an upgrade of the gateway for instance. */
class Boundary extends Component<{ address: string; children: ReactNode }, { failed: boolean }> {
  override state = { failed: false };

  static getDerivedStateFromError() {
    return { failed: true };
  }

  // A page that fails at one address may work at another.
  override componentDidUpdate({ address }: { address: string }) {
    if (this.state.failed && address !== this.props.address) this.setState({ failed: false });
  }

  override render() {
    if (!this.state.failed) return this.props.children;
    const failure = { code: 'PAGE', message: 'The page could not be shown. Load it again.' };
    return <Failed what="Something went wrong." failure={failure} retry={() => window.location.reload()} />;
  }
}

function App() {
  const { path, search } = useAddress();
  const [client, setClient] = useState(createClient);
  const [refused, setRefused] = useState(false);
  useEffect(() => onRefused(() => setRefused(true)), []);
  function useKey(key: string | null): void {
    storeKey(key);
    setRefused(false);
    setClient(createClient()); // another caller may see other sources
  }
  const link = (to: string, text: string) => (
    <Link to={to} aria-current={path === to ? 'page' : undefined}>
      {text}
    </Link>
  );
  return (
    <Provider value={client}>
      <a className="skip" href="#content">
        Skip to the content
      </a>
      <header className="top">
        <Link to="/" className="brand">
          Tracegraph
        </Link>
        <nav aria-label="Pages">
          {link('/', 'Experiments')}
          {link('/sources', 'Sources')}
          <a href={`${prefix}/graphql`}>API</a>
          {storedKey() && <button onClick={() => useKey(null)}>Forget the key</button>}
        </nav>
      </header>
      <main id="content" tabIndex={-1}>
        <Boundary key={path} address={search}>
          <Suspense fallback={<Loading what="the page" />}>
            <Page />
          </Suspense>
        </Boundary>
      </main>
      {refused && <KeyDialog wrong={storedKey() !== null} onKey={useKey} />}
    </Provider>
  );
}

createRoot(document.getElementById('pages')!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);
