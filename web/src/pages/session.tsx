// One session: its spans as a waterfall, the chosen span in full, and the scores with their reasons.
import { type CSSProperties, type ReactNode, useEffect, useState } from 'react';
import { useQuery } from 'urql';
import { failure, useOwnQuery } from '../client';
import { Missing, Score, Time, Value, shownName, words } from '../format';
import type { SessionDetailsQuery, SpanDetailsQuery, SpansQuery } from '../generated/graphql';
import { SessionDetails, SpanDetails, Spans as SpansDocument } from '../queries';
import { Link, experimentPath, useParameters } from '../router';
import { Failed, Loading, More } from '../ui';

type Session = NonNullable<SessionDetailsQuery['session']>;
type SpanConnection = NonNullable<NonNullable<SpansQuery['session']>['spans']>;
type Span = SpanConnection['nodes'][number];
type SpanInFull = Extract<NonNullable<SpanDetailsQuery['node']>, { vendorKind: unknown }>;

export default function SessionPage({ id }: { id: string }) {
  const [{ data, error }, again] = useQuery({ query: SessionDetails, variables: { id } });
  const session = data?.session;
  const title = session && shownName(session.name || session.testCaseId || session.vendorId);
  useEffect(() => {
    document.title = `${title ?? 'Session'} · Tracegraph`;
  }, [title]);
  const retry = () => again({ requestPolicy: 'network-only' });
  if (error && !session)
    return <Failed what="The session could not be read." failure={failure(error)} retry={retry} />;
  if (!data) return <Loading what="the session" />;
  if (!session) return <p>No source knows this session.</p>;
  return (
    <>
      <h1>{title}</h1>
      <p className="actions">
        {session.experiment && <Link to={experimentPath(session.experiment.id)}>{shownName(session.experiment.name)}</Link>}
        <span className={`tag source-${session.source.vendor}`}>{session.source.name}</span>
        {session.url && (
          <a href={session.url} rel="noreferrer noopener" target="_blank">
            Open in {session.source.vendor}
          </a>
        )}
      </p>
      {error && <Failed what="A part of the session could not be read." failure={failure(error)} retry={retry} />}
      <Facts session={session} />
      <Scores scores={session.scores} />
      <Waterfall session={session} />
      <section aria-label="Texts">
        <Text name="Input" text={session.input} />
        <Text name="Output" text={session.output} />
        {session.error && <Text name="Error" text={session.error} />}
      </section>
    </>
  );
}

function FactList({ facts }: { facts: readonly [string, ReactNode][] }) {
  return (
    <dl className="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value ?? <Missing />}</dd>
        </div>
      ))}
    </dl>
  );
}

type Tokens = {
  input: number | null;
  output: number | null;
  cached: number | null;
  reasoning: number | null;
  total: number | null;
} | null;

function tokenFacts(tokens: Tokens): [string, ReactNode][] {
  const names = [
    ['total', 'Tokens'],
    ['input', 'Input tokens'],
    ['output', 'Output tokens'],
    ['cached', 'Cached tokens'],
    ['reasoning', 'Reasoning tokens'],
  ] as const;
  return names
    .filter(([name]) => name === 'total' || tokens?.[name] != null)
    .map(([name, title]) => [title, <Value value={tokens?.[name]} unit="TOKENS" />]);
}

function Facts({ session }: { session: Session }) {
  const facts: [string, ReactNode][] = [
    ['Status', <span className={`status ${session.status.toLowerCase()}`}>{words(session.status)}</span>],
    ['Start', <Time value={session.startedAt} exact />],
    ['Latency', <Value value={session.latencyMs} unit="MILLISECONDS" />],
    ['First token', <Value value={session.firstTokenMs} unit="MILLISECONDS" />],
    ['Cost', <Value value={session.costUsd} unit="USD" />],
    ...tokenFacts(session.tokens),
    ['Agent', [session.agentName, session.agentVersion].filter(Boolean).join(' ') || null],
    ['Models', session.models?.join(', ') || null],
    ['Test case', session.testCaseId],
    ['Conversation', session.conversationId],
    ["Vendor's id", <code>{session.vendorId}</code>],
  ];
  return <FactList facts={facts} />;
}

type ScoreLike = NonNullable<Session['scores']>[number];

function Scores({ scores, of = '' }: { scores: readonly ScoreLike[] | null; of?: string }) {
  if (!scores?.length) return null;
  return (
    <section aria-label={`Scores${of}`}>
      <h2>Scores</h2>
      <ul className="verdicts">
        {scores.map((score) => (
          <li key={score.evaluator}>
            <strong>{score.evaluator}</strong> <Score score={score} />
            {score.explanation && <p>{score.explanation}</p>}
          </li>
        ))}
      </ul>
    </section>
  );
}

function Waterfall({ session }: { session: Session }) {
  const [{ after, before }, setPosition] = useState<{ after: string | null; before: readonly SpanConnection[] }>({
    after: null,
    before: [],
  });
  const [{ data, error, fetching }, again] = useOwnQuery({
    query: SpansDocument,
    variables: { id: session.id, first: 500, after },
    pause: !session.source.capabilities.spans,
  });
  const [parameters, change] = useParameters();
  if (!session.source.capabilities.spans) return <p>{`${session.source.name} has no spans.`}</p>;
  const page = data?.session?.spans;
  const problem = error && !page && (
    <Failed
      what="The spans could not be read."
      failure={failure(error)}
      retry={() => again({ requestPolicy: 'network-only' })}
    />
  );
  const last = page ?? before.at(-1);
  if (!last && problem) return problem;
  if (!last && fetching) return <Loading what="the spans" />;
  if (!last) return <p>The vendor has no spans of this session.</p>;
  const spans = (page ? [...before, page] : before).flatMap(({ nodes }) => nodes);
  const chosen = parameters.get('span') ?? spans[0]?.id ?? null;
  return (
    <section aria-label="Spans" className="waterfall">
      <h2>
        Spans <small>{`${last.totalCount}`}</small>
      </h2>
      <div className="waterfall-parts">
        <div>
          <SpanRows spans={spans} chosen={chosen} onChoose={(span) => change({ span }, { replace: true })} />
          {problem}
          {last.pageInfo.hasNextPage && !problem && (
            <More
              busy={!page}
              onMore={() => page && setPosition({ after: page.pageInfo.endCursor, before: [...before, page] })}
            />
          )}
        </div>
        {chosen && <SpanPanel key={chosen} id={chosen} />}
      </div>
    </section>
  );
}

const startOf = ({ startedAt }: Span) => (startedAt ? Date.parse(startedAt) : null);

function endOf(span: Span): number | null {
  const start = startOf(span);
  if (span.latencyMs !== null && start !== null) return start + span.latencyMs;
  return span.endedAt ? Date.parse(span.endedAt) : start;
}

function SpanRows({
  spans,
  chosen,
  onChoose,
}: {
  spans: readonly Span[];
  chosen: string | null;
  onChoose: (id: string) => void;
}) {
  const starts = spans.flatMap((span) => startOf(span) ?? []);
  const first = Math.min(...starts);
  const whole = Math.max(...spans.flatMap((span) => endOf(span) ?? []), first + 1) - first;
  function place(span: Span): CSSProperties {
    const start = startOf(span);
    if (start === null) return { display: 'none' };
    return {
      left: `${((start - first) / whole) * 100}%`,
      width: `max(3px, ${((endOf(span)! - start) / whole) * 100}%)`,
    };
  }
  return (
    <ol className="spans">
      {spans.map((span) => (
        <li key={span.id}>
          <button
            aria-pressed={span.id === chosen}
            onClick={() => onChoose(span.id)}
            className={span.status === 'ERROR' ? 'span error' : 'span'}
          >
            <span className="span-name" style={{ paddingLeft: `${Math.min(span.depth, 12) * 0.9}rem` }}>
              <span className={`kind kind-${span.kind.toLowerCase()}`}>{words(span.kind)}</span>
              {span.name ?? span.toolName ?? span.vendorKind ?? 'span'}
              {span.status === 'ERROR' && <span className="status error">error</span>}
            </span>
            <span className="track" aria-hidden="true">
              <span className={`bar kind-${span.kind.toLowerCase()}`} style={place(span)} />
            </span>
            <span className="span-figures">
              <Value value={span.latencyMs} unit="MILLISECONDS" />
              {span.tokens?.total != null && <Value value={span.tokens.total} unit="TOKENS" />}
              {span.costUsd !== null && <Value value={span.costUsd} unit="USD" />}
            </span>
          </button>
        </li>
      ))}
    </ol>
  );
}

function SpanPanel({ id }: { id: string }) {
  const [{ data, error }, again] = useQuery({ query: SpanDetails, variables: { id } });
  const span = data?.node && 'vendorKind' in data.node ? (data.node as SpanInFull) : null;
  const facts: [string, ReactNode][] = span
    ? [
        ['Kind', `${words(span.kind)}${span.vendorKind ? ` (${span.vendorKind})` : ''}`],
        ['Latency', <Value value={span.latencyMs} unit="MILLISECONDS" />],
        ['First token', <Value value={span.firstTokenMs} unit="MILLISECONDS" />],
        ['Cost', <Value value={span.costUsd} unit="USD" />],
        ...tokenFacts(span.tokens),
        ['Model', [span.provider, span.model].filter(Boolean).join(' / ') || null],
        ['Tool', span.toolName],
        ['Agent', span.agentName],
      ]
    : [];
  return (
    <aside className="span-panel" aria-label="Chosen span" aria-live="polite">
      {error && !span && (
        <Failed
          what="The span could not be read."
          failure={failure(error)}
          retry={() => again({ requestPolicy: 'network-only' })}
        />
      )}
      {!error && !data && <Loading what="the span" />}
      {data && !error && !span && <p>This span does not exist any more.</p>}
      {span && (
        <>
          <h3>{span.name ?? words(span.kind)}</h3>
          <FactList facts={facts} />
          {span.error && <Text name="Error" text={span.error} />}
          <Text name="Input" text={span.input} />
          <Text name="Output" text={span.output} />
          <Scores scores={span.scores} of=" of the span" />
          <Text
            name="Attributes"
            text={span.metadata === null || span.metadata === undefined ? null : JSON.stringify(span.metadata, null, 2)}
          />
        </>
      )}
    </aside>
  );
}

function Text({ name, text }: { name: string; text: string | null }) {
  return (
    <>
      <h3>{name}</h3>
      {text === null ? <p className="missing">The vendor has none.</p> : <pre tabIndex={0}>{text}</pre>}
    </>
  );
}
