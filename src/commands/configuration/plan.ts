import { same } from '../../domain/decider.ts';
import { DomainError } from '../../domain/errors.ts';
import type { Envelope, RecordedEvent } from '../../eventstore/event-store.ts';
import type { Act } from '../../eventstore/execute.ts';
import { upcast } from '../../eventstore/upcast.ts';
import type { Command, CommandContext, Issue } from '../command.ts';
import { ConfigurationDocument, type DocumentIssue, refused } from './document.ts';
import { type Section, sections } from './sections.ts';

/** What is to happen to one field. Secrets are digests; there is nothing to hide. */
export interface FieldChange {
  readonly field: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** What is to happen to one entity. */
export interface EntityChange {
  /** A key of the document: `clients`. */
  readonly section: string;
  /** How the entity is called there. */
  readonly name: string;
  readonly action: 'add' | 'change' | 'remove';
  /** The facts that will be recorded. */
  readonly facts: readonly string[];
  readonly fields: readonly FieldChange[];
}

export interface Plan {
  readonly changes: readonly EntityChange[];
}

/** What a configuration is, and how many characters it may have, document.ts says. */
export interface ConfigurationInput {
  readonly document: string;
}

/**
 * What applying a configuration would do; nothing is recorded.
 * @throws DomainError `invalid`: detail.issues names everything that is wrong, each with its line
 */
export async function planConfiguration(
  context: CommandContext,
  { document }: ConfigurationInput,
  at: string,
): Promise<Plan> {
  const { changes } = await planned(context, document, at);
  return { changes };
}

/**
 * Makes everything be as a configuration declares it, as one act. What it does not name stays as it
 * is; what an entity leaves out has its default. To apply it twice records nothing new.
 * @throws DomainError as {@link planConfiguration}; nothing is changed then
 */
export const applyConfiguration: Command<ConfigurationInput, Plan> = async (
  context,
  { document },
  envelope,
) => {
  const { changes, acts } = await planned(context, document, envelope.at);
  const result = { changes };
  const rows = context.alongside?.(result, acts) ?? [];
  const { position } = await context.execute(acts, envelope, rows);
  return { ...result, position };
};

/**
 * Declares what has never been there; what is, or was and has been removed, stays as it is.
 * @throws DomainError as {@link planConfiguration}
 */
export async function declareMissing(
  context: CommandContext,
  document: string,
  envelope: Envelope,
): Promise<void> {
  const { acts, fresh } = await planned(context, document, envelope.at);
  await context.execute(
    acts.filter(({ stream }) => fresh.has(stream)),
    envelope,
  );
}

async function planned(context: CommandContext, text: string, at: string) {
  const document = new ConfigurationDocument(text);
  const issues: DocumentIssue[] = [];
  const complain = (path: string, error: unknown) => {
    for (const { field, message } of issuesOf(error)) {
      const at = [path, field].filter(Boolean).join('.');
      issues.push({ field: at, message, line: document.line(at) });
    }
  };

  const acts: Act[] = [];
  const fresh = new Set<string>();
  const changes: EntityChange[] = [];
  for (const [name, section, items] of sectionsOf(document, complain)) {
    for (const [nth, item] of items.entries()) {
      const path = `${name}.${nth}`;
      try {
        const wished = await section.act(context, item, at);
        if (acts.some(({ stream }) => stream === wished.stream)) {
          throw new DomainError('invalid', 'is declared twice', { field: section.key });
        }
        acts.push(wished);
        const events = await context.store.read(wished.stream);
        if (events.length === 0) fresh.add(wished.stream);
        const change = foreseen(section, wished, events);
        if (change) changes.push({ section: name, name: String(item[section.key]), ...change });
      } catch (error) {
        complain(path, error);
      }
    }
  }
  if (issues.length > 0) throw refused(issues);
  return { changes, acts, fresh };
}

type Items = readonly Readonly<Record<string, unknown>>[];

/** The sections that are known, in the order in which entities rest on each other. */
function sectionsOf(
  { content }: ConfigurationDocument,
  complain: (path: string, error: unknown) => void,
): [name: string, section: Section, items: Items][] {
  const invalid = (message: string) => new DomainError('invalid', message);
  for (const name of Object.keys(content)) {
    if (!Object.hasOwn(sections, name)) {
      complain(name, invalid(`is no section: ${Object.keys(sections).join(', ')}`));
    }
  }
  return Object.entries(sections).flatMap(([name, section]) => {
    const items = content[name] ?? [];
    if (Array.isArray(items) && items.every((item) => typeof item === 'object' && item)) {
      return [[name, section, items as Items] as [string, Section, Items]];
    }
    complain(name, invalid('must be a list of entities'));
    return [];
  });
}

/** @throws unless it is a refusal */
function issuesOf(error: unknown): readonly Issue[] {
  if (!(error instanceof DomainError)) throw error;
  const { issues, field = '' } = error.detail;
  return (issues as readonly Issue[] | undefined) ?? [{ field, message: error.message }];
}

/** What an act would do to its entity; undefined for nothing. */
function foreseen(
  section: Section,
  wished: Act,
  events: readonly RecordedEvent[],
): Pick<EntityChange, 'action' | 'facts' | 'fields'> | undefined {
  const before = wished.fold(events.map(upcast), wished.initial);
  const { facts, refused: refusal } = wished.decide(before);
  if (refusal) throw refusal;
  if (facts.length === 0) return undefined;
  const [was, is] = [section.item(before), section.item(wished.fold(facts, before))];
  return {
    action: was && is ? 'change' : was ? 'remove' : is ? 'add' : 'change',
    facts: facts.map(({ type }) => type),
    fields: differences(was ?? {}, is ?? {}),
  };
}

function differences(
  was: Readonly<Record<string, unknown>>,
  is: Readonly<Record<string, unknown>>,
): FieldChange[] {
  return [...new Set([...Object.keys(was), ...Object.keys(is)])]
    .filter((field) => !same(was[field], is[field]))
    .map((field) => ({ field, before: was[field] ?? null, after: is[field] ?? null }));
}
