// The filters and the order of the list, with the values that the experiments have.
import { useState } from 'react';
import { words } from '../format';
import type { FacetsQuery } from '../generated/graphql';
import { list, navigate, useParameters, withParameters } from '../router';
import { Choice, Menu, type Option, Search } from '../ui';
import { COLUMNS } from './list_order';

type Facet = NonNullable<FacetsQuery['experimentFacets']>[number];
/** Undefined while they are on their way, null when they could not be read. */
type Facets = readonly Facet[] | null | undefined;

interface FiltersProps {
  sources: readonly { name: string; vendor: string }[];
  facets: Facets;
  by: string;
  direction: 'ASC' | 'DESC';
}

const find = (facets: Facets, field: string) => facets?.find((one) => one.field === field);

const optionsOf = (facets: Facets, field: string): Option[] | null | undefined =>
  facets && find(facets, field)?.values.flatMap(({ value, count }) => (value === null ? [] : [{ value, label: value, count }]));

export function Filters({ sources, facets, by, direction }: FiltersProps) {
  const [parameters, change] = useParameters();
  // A narrow page shows the rows first.
  const [wide] = useState(() => window.matchMedia('(min-width: 40rem)').matches);
  return (
    <details className="fold" open={wide}>
      <summary>Search, filters and order</summary>
      <form className="filters" role="search" aria-label="Experiments" onSubmit={(event) => event.preventDefault()}>
        <Search label="Name" value={parameters.get('q') ?? ''} onChange={(q) => change({ q })} />
        <Menu
          label="Source"
          options={sources.map(({ name, vendor }) => ({
            value: name,
            label: name === vendor ? name : `${name} (${vendor})`,
          }))}
          selected={list(parameters, 'source')}
          onChange={(names) => change({ source: names.join(',') })}
        />
        <Menu
          label="Kind"
          options={optionsOf(facets, 'KIND')?.map((option) => ({ ...option, label: words(option.value) }))}
          selected={list(parameters, 'kind')}
          onChange={(kinds) => change({ kind: kinds.join(',') })}
        />
        <FacetMenu parameter="dataset" label="Dataset" field="DATASET_NAME" facets={facets} />
        <FacetMenu parameter="agent" label="Agent" field="AGENT_NAME" facets={facets} />
        <FacetMenu parameter="model" label="Model" field="MODEL" facets={facets} />
        <Day parameter="since" label="Created from (UTC)" />
        <Day parameter="until" label="to" />
        <Choice
          label="Order"
          value={by}
          options={ordersOf(facets, by)}
          onChange={(order) => change({ order, direction: null })}
        />
        <button onClick={() => change({ order: by, direction: direction === 'ASC' ? 'desc' : 'asc' })}>
          {direction === 'ASC' ? 'Ascending ↑' : 'Descending ↓'}
        </button>
      </form>
    </details>
  );
}

function ordersOf(facets: Facets, by: string): Option[] {
  const orders = [
    { value: 'created', label: 'Created' },
    { value: 'updated', label: 'Last activity' },
    { value: 'name', label: 'Name' },
    { value: 'sessions', label: 'Sessions' },
    ...Object.entries(COLUMNS).map(([value, { head }]) => ({ value, label: head })),
    ...(optionsOf(facets, 'EVALUATOR') ?? []).map(({ value }) => ({
      value: `score:${value}`,
      label: `Score: ${value}`,
    })),
  ];
  // The order of a shared address stays, also before the evaluators are known.
  return orders.some(({ value }) => value === by) ? orders : [...orders, { value: by, label: by }];
}

function FacetMenu({
  parameter,
  label,
  field,
  facets,
}: {
  parameter: string;
  label: string;
  field: string;
  facets: Facets;
}) {
  const [parameters] = useParameters();
  return (
    <Menu
      label={label}
      options={optionsOf(facets, field)}
      selected={parameters.getAll(parameter)}
      onChange={(values) => navigate(withValues('/', parameter, values))}
      remark={find(facets, field)?.complete === false ? 'Not every experiment was counted.' : undefined}
    />
  );
}

/** Values of datasets and the like may hold commas, so each is a parameter of its own. */
function withValues(path: string, name: string, values: readonly string[]): string {
  const parameters = new URLSearchParams(window.location.search);
  parameters.delete(name);
  for (const value of values) parameters.append(name, value);
  return withParameters(path, parameters, {});
}

function Day({ parameter, label }: { parameter: string; label: string }) {
  const [parameters, change] = useParameters();
  const [typed, setTyped] = useState<string | null>(null);
  function take(day: string): void {
    // While the year is typed the field has the years 2, 20 and 202, for which nobody looks.
    const isTyping = day !== '' && day < '1000';
    setTyped(isTyping ? day : null);
    if (!isTyping) change({ [parameter]: day });
  }
  return (
    <label className="field">
      <span>{label}</span>
      <input
        type="date"
        value={typed ?? parameters.get(parameter) ?? ''}
        onChange={(event) => take(event.target.value)}
      />
    </label>
  );
}
