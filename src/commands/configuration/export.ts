import { stringify } from 'yaml';
import { apiResource } from '../../domain/api-resource.ts';
import { client } from '../../domain/client.ts';
import { scope } from '../../domain/scope.ts';
import { trustedIssuer } from '../../domain/trusted-issuer.ts';
import { digest } from '../../platform/secrets.ts';
import type { CommandContext } from '../command.ts';
import { present, sections } from './sections.ts';

/** What there is to export, as the read models know it. */
export interface ConfigurationNames {
  readonly apiResources: readonly string[];
  readonly scopes: readonly string[];
  readonly clients: readonly string[];
  readonly trustedIssuers: readonly string[];
  readonly operators: readonly {
    readonly sub: string;
    readonly personal: string | null;
    readonly roles: readonly string[];
  }[];
}

/** Writes everything that is there as a configuration: to apply it at once changes nothing. */
export async function exportConfiguration(
  context: Pick<CommandContext, 'store' | 'subjectKeys'>,
  names: ConfigurationNames,
  format: 'yaml' | 'json' = 'yaml',
): Promise<string> {
  const of = async (
    section: string,
    ids: readonly string[],
    state: (id: string) => Promise<unknown>,
  ) => {
    const items: unknown[] = [];
    for (const id of ids) items.push(sections[section]?.item(await state(id)));
    return items.filter((item) => item !== null);
  };
  const content = {
    apiResources: await of('apiResources', names.apiResources, (id) =>
      present(context, apiResource, digest(id)),
    ),
    scopes: await of('scopes', names.scopes, (id) => present(context, scope, id)),
    clients: await of('clients', names.clients, (id) => present(context, client, id)),
    trustedIssuers: await of('trustedIssuers', names.trustedIssuers, (id) =>
      present(context, trustedIssuer, digest(id)),
    ),
    operators: await operators(context, names),
  };
  return format === 'json' ? `${JSON.stringify(content, null, 2)}\n` : stringify(content);
}

async function operators(
  { subjectKeys }: Pick<CommandContext, 'subjectKeys'>,
  { operators }: ConfigurationNames,
): Promise<{ username: string; roles: readonly string[] }[]> {
  const named = await Promise.all(
    operators.map(async ({ sub, personal, roles }) => {
      const claims = personal && (await subjectKeys.open(sub, personal));
      const { preferred_username: username } = claims ? JSON.parse(claims) : {};
      return { username: username as string | undefined, roles };
    }),
  );
  return named.filter((each): each is { username: string; roles: readonly string[] } =>
    Boolean(each.username),
  );
}
