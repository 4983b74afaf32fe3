import { describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { Metrics } from '../../src/platform/metrics.ts';
import { read } from './markdown.ts';

/** What the library knows of a metric beside what it declares. */
interface Described {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly labelNames: readonly string[];
}

const { registry } = new Metrics('postgres', async () => null);
const metrics = registry.getMetricsAsArray() as unknown as Described[];
const series = metrics.flatMap(({ name, type }) =>
  type === 'histogram' ? ['_bucket', '_sum', '_count'].map((part) => name + part) : [name],
);

/** All that an expression could mean to be a metric of ours, of Node's or of the process. */
function namedIn(text: string): string[] {
  return text.match(/\b(?:muniment|nodejs|process)_[a-z0-9_]+/g) ?? [];
}

describe('docs/observability.md', () => {
  test('has a row for every metric, with its labels and what it is', () => {
    const rows = metrics
      .filter(({ name }) => name.startsWith('muniment_'))
      .map(({ name, type, labelNames, help }) => {
        const labels = labelNames.map((label) => `\`${label}\``).join(', ');
        return `| \`${name}\` | ${type} | ${labels} | ${help} |`;
      });
    const table = ['| Metric | Type | Labels | |', '|---|---|---|---|', ...rows].join('\n');
    const written = /^<!-- metrics: .* -->\n\n([\s\S]*?)\n\n<!-- \/metrics -->$/m;
    expect(written.exec(read('docs/observability.md'))?.[1]).toBe(table);
  });
});

describe('deploy/grafana/muniment.json', () => {
  const { panels } = JSON.parse(read('deploy/grafana/muniment.json')) as {
    panels: { title: string; targets: { expr: string }[] }[];
  };

  test('shows how far the read models are from the log, in time and in rows', () => {
    const named = panels.flatMap(({ targets }) => targets.flatMap(({ expr }) => namedIn(expr)));
    expect(named).toContain('muniment_projection_lag_seconds');
    expect(named).toContain('muniment_projection_divergences');
  });

  test('shows metrics that there are, in few panels', () => {
    expect(panels.length).toBeLessThanOrEqual(12);
    for (const { title, targets } of panels) {
      const named = targets.flatMap(({ expr }) => namedIn(expr));
      expect({ title, named: named.length > 0 }).toEqual({ title, named: true });
      expect(series).toEqual(expect.arrayContaining(named));
    }
  });
});

describe('deploy/prometheus/alerts.yml', () => {
  const { groups } = parse(read('deploy/prometheus/alerts.yml')) as {
    groups: { rules: { alert: string; expr: string; annotations: { summary: string } }[] }[];
  };

  test('asks for metrics that there are, and says what is wrong', () => {
    for (const { alert, expr, annotations } of groups.flatMap(({ rules }) => rules)) {
      const named = namedIn(expr);
      expect({ alert, named: named.length > 0 }).toEqual({ alert, named: true });
      expect(series).toEqual(expect.arrayContaining(named));
      expect(annotations.summary).toMatch(/\.$|\)\.$/);
    }
  });
});
