// One case as each experiment ran it: inputs and outputs side by side, their differences from the baseline marked.
import { diffWordsWithSpace } from 'diff';
import { useEffect, useRef, useState } from 'react';
import { useQuery } from 'urql';
import { failure } from '../../client';
import { Score, Value, shownName, words } from '../../format';
import type { CaseTextsQuery, MetricUnit } from '../../generated/graphql';
import { CaseTexts } from '../../queries';
import { Link, sessionPath } from '../../router';
import { Failed, Loading } from '../../ui';

type Case = Extract<NonNullable<CaseTextsQuery['node']>, { entries: unknown }>;
type Entry = Case['entries'][number];
type Session = NonNullable<Entry['sessions']>[number];

/** Longer texts are shown without marks: the comparison of two long texts would block the page. */
const LONGEST_COMPARED = 20_000;

export function CaseInFull({ id, unit, onClose }: { id: string; unit: MetricUnit; onClose: () => void }) {
  const [{ data, error }, again] = useQuery({ query: CaseTexts, variables: { id } });
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const node = data?.node && 'entries' in data.node ? data.node : null;
  return (
    <dialog
      ref={dialog}
      className="case"
      aria-label="Case"
      onClose={onClose}
      onClick={(event) => event.target === dialog.current && dialog.current.close()}
    >
      <div className="case-body">
        <header>
          <h2>Case</h2>
          <button onClick={() => dialog.current?.close()}>Close</button>
        </header>
        {error && !node && (
          <Failed
            what="The case could not be read."
            failure={failure(error)}
            retry={() => again({ requestPolicy: 'network-only' })}
          />
        )}
        {!error && !data && <Loading what="the case" />}
        {data && !error && !node && <p>This case does not exist any more.</p>}
        {node && (
          <>
            <p className="key">{node.key}</p>
            <div className="side-by-side">
              {node.entries.map((entry, index) => (
                <EntryColumn key={index} index={index} entry={entry} unit={unit} baseline={baselineSession(node)} />
              ))}
            </div>
          </>
        )}
      </div>
    </dialog>
  );
}

/** Without an outcome an entry is the baseline's, or its source failed. */
const baselineSession = ({ entries }: Case) =>
  entries.find(({ outcome, sessions }) => outcome === null && sessions?.length)?.sessions?.[0];

interface EntryColumnProps {
  index: number;
  entry: Entry;
  unit: MetricUnit;
  baseline: Session | undefined;
}

function EntryColumn({ index, entry, unit, baseline }: EntryColumnProps) {
  const [repetition, setRepetition] = useState(0);
  const sessions = entry.sessions ?? [];
  const session = sessions[repetition];
  return (
    <section className={`entry series-${index % 8}`} aria-label={shownName(entry.experiment.name)}>
      <h3>
        {shownName(entry.experiment.name)} <small>{entry.experiment.source.name}</small>
      </h3>
      <p>
        <Value value={entry.value} unit={unit} />{' '}
        {entry.outcome && (
          <span className={entry.outcome === 'REGRESSED' ? 'worse' : entry.outcome === 'IMPROVED' ? 'better' : ''}>
            {entry.delta !== null && <Value value={entry.delta} unit={unit} signed />} {words(entry.outcome)}
          </span>
        )}
        {!entry.outcome && session && baseline?.id === session.id && 'baseline'}
      </p>
      {sessions.length > 1 && (
        <label className="field">
          <span>Repetition</span>
          <select value={repetition} onChange={(event) => setRepetition(Number(event.target.value))}>
            {sessions.map((one, number) => (
              <option key={one.id} value={number}>
                {number + 1} of {sessions.length}
              </option>
            ))}
          </select>
        </label>
      )}
      {session ? (
        <SessionTexts session={session} baseline={baseline} />
      ) : (
        <p>{entry.sessions ? 'It did not run this case.' : 'Its source failed.'}</p>
      )}
    </section>
  );
}

function SessionTexts({ session, baseline }: { session: Session; baseline: Session | undefined }) {
  const compared = baseline?.id === session.id ? undefined : baseline;
  return (
    <>
      <dl className="facts">
        <div>
          <dt>Status</dt>
          <dd>{words(session.status)}</dd>
        </div>
        <div>
          <dt>Latency</dt>
          <dd>
            <Value value={session.latencyMs} unit="MILLISECONDS" />
          </dd>
        </div>
        <div>
          <dt>Cost</dt>
          <dd>
            <Value value={session.costUsd} unit="USD" />
          </dd>
        </div>
        <div>
          <dt>Tokens</dt>
          <dd>
            <Value value={session.tokens?.total} unit="TOKENS" />
          </dd>
        </div>
        {session.scores?.map((score) => (
          <div key={score.evaluator}>
            <dt>{score.evaluator}</dt>
            <dd>
              <Score score={score} />
            </dd>
          </div>
        ))}
      </dl>
      <Text name="Input" text={session.input} other={compared?.input} />
      <Text name="Output" text={session.output} other={compared?.output} />
      {session.error && <Text name="Error" text={session.error} other={undefined} />}
      <Link to={sessionPath(session.id)}>Open the session</Link>
    </>
  );
}

function Text({ name, text, other }: { name: string; text: string | null; other: string | null | undefined }) {
  return (
    <>
      <h4>{name}</h4>
      {text === null ? (
        <p className="missing">The vendor has none.</p>
      ) : (
        <pre tabIndex={0}>{other == null ? text : <Marked text={text} other={other} />}</pre>
      )}
    </>
  );
}

function Marked({ text, other }: { text: string; other: string }) {
  if (text.length + other.length > LONGEST_COMPARED) return text;
  return diffWordsWithSpace(other, text).map(({ value, added, removed }, index) => {
    if (added) return <ins key={index}>{value}</ins>;
    return removed ? <del key={index}>{value}</del> : <span key={index}>{value}</span>;
  });
}
