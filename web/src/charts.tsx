// Charts by Observable Plot, which is loaded when the first chart is shown.
import type * as PlotModule from './plot';
import { useEffect, useRef, useState } from 'react';
import { download, fileName } from './download';

type Plot = typeof PlotModule;

export interface Theme {
  plot: Plot;
  width: number;
  /** Colours that are told apart in the present theme, also by people who confuse red and green. */
  colors: readonly string[];
}

interface ChartProps {
  title: string;
  /** What the chart shows, for those who do not see it. */
  description: string;
  options: (theme: Theme) => PlotModule.PlotOptions;
}

const dark = () => window.matchMedia('(prefers-color-scheme: dark)');
const LIGHT_COLORS = ['#0b62c4', '#c2410c', '#0f766e', '#9d174d', '#6d28d9', '#4d6300', '#b45309', '#334155'];
const DARK_COLORS = ['#7ab8ff', '#ff9d66', '#4fd1c0', '#ff8ac0', '#b9a3ff', '#b5d33d', '#fbbf4a', '#b6c2d1'];

export const colorsOfTheme = () => (dark().matches ? DARK_COLORS : LIGHT_COLORS);

export function Chart({ title, description, options }: ChartProps) {
  const place = useRef<HTMLDivElement>(null);
  const [plot, setPlot] = useState<Plot | null>(null);
  const [width, setWidth] = useState(0);
  const [isDark, setDark] = useState(() => dark().matches);
  useEffect(() => void import('./plot').then(setPlot), []);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry!.contentRect.width)));
    observer.observe(place.current!);
    const query = dark();
    const follow = () => setDark(query.matches);
    query.addEventListener('change', follow);
    return () => {
      observer.disconnect();
      query.removeEventListener('change', follow);
    };
  }, []);
  useEffect(() => {
    if (!plot || !width) return undefined;
    const ink = isDark ? '#e6eaf0' : '#1c2530';
    const drawn = plot.plot({
      width,
      marginLeft: 70,
      marginBottom: 40,
      style: { background: 'transparent', color: ink, fontFamily: 'system-ui, sans-serif', fontSize: '12px' },
      ...options({ plot, width, colors: isDark ? DARK_COLORS : LIGHT_COLORS }),
    });
    // The policy of the page refuses Plot's style element; styles.css has its rules.
    for (const style of drawn.querySelectorAll('style')) style.remove();
    // One name for the whole picture: Plot names each group of its marks, which are no elements with a role.
    for (const part of drawn.querySelectorAll('[aria-label]')) part.removeAttribute('aria-label');
    drawn.setAttribute('role', 'img');
    drawn.setAttribute('aria-label', `${title}. ${description}`);
    place.current!.replaceChildren(drawn);
    return () => drawn.remove();
  }, [plot, width, isDark, options, title, description]);
  function save(): void {
    const svg = place.current?.querySelector('svg');
    if (!svg) return;
    const copy = svg.cloneNode(true) as SVGSVGElement;
    copy.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
    copy.style.background = isDark ? '#12161c' : '#ffffff';
    download(`${fileName(title)}.svg`, 'image/svg+xml', new XMLSerializer().serializeToString(copy));
  }
  return (
    <figure className="chart">
      <figcaption>
        <span>{title}</span>
        <button className="small" onClick={save} aria-label={`Save the chart ${title} as SVG`}>
          SVG
        </button>
      </figcaption>
      <div ref={place} className="drawing" />
    </figure>
  );
}
