import { z } from 'zod';
import { type ApiResourceState, apiResource } from '../../domain/api-resource.ts';
import { type ClientState, type ClientWishes, client } from '../../domain/client.ts';
import { type Decider, fold, streamOf, type Wish } from '../../domain/decider.ts';
import { DomainError } from '../../domain/errors.ts';
import { type ScopeState, scope } from '../../domain/scope.ts';
import { type TrustedIssuerState, trustedIssuer } from '../../domain/trusted-issuer.ts';
import { user } from '../../domain/user.ts';
import { username as usernames } from '../../domain/username.ts';
import { type Act, act } from '../../eventstore/execute.ts';
import { upcast } from '../../eventstore/upcast.ts';
import { digest } from '../../platform/secrets.ts';
import { apiResourceInput } from '../api-resources.ts';
import { localized } from '../client-fields.ts';
import { checkedRegistration, clientId } from '../clients.ts';
import { type CommandContext, parse } from '../command.ts';
import { list, locale, name, optional, orNull, resourceIdentifier, scopeToken } from '../fields.ts';
import { scopeInput, scopeTexts } from '../scopes.ts';
import { trustedIssuerInput } from '../trusted-issuers.ts';
import { roles, usernameDigest } from '../users.ts';

type Item = Readonly<Record<string, unknown>>;

/** One kind of entity that a configuration declares. */
export interface Section {
  /** The key that names an entity. */
  readonly key: string;
  /** @throws DomainError `invalid` for an item that is not as it must be */
  act(context: CommandContext, item: Item, at: string): Promise<Act>;
  /** An entity as an item, given its state; null for one that is not there. */
  item(state: unknown): Item | null;
}

/** An item that says no more than that the entity shall not be there. */
const gone = z.object({ absent: z.literal(true) });

const secret = z.object({
  /** SHA-256 in hex of a secret of at least 256 random bits. */
  digest: z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in lower-case hex'),
  description: optional(name(), 'secret'),
  expiresAt: orNull(z.iso.datetime({ message: 'must be an ISO 8601 instant in UTC' })),
});

const clientExtras = z.object({
  disabled: optional(z.boolean(), false),
  localizations: optional(z.record(locale, z.object(localized)), {}),
  secrets: optional(list(secret, 10), []),
});

/** THE LIST of sections. */
export const sections: Readonly<Record<string, Section>> = {
  apiResources: {
    key: 'identifier',
    async act(_, item) {
      const identifier = digest(parse(resourceIdentifier, item.identifier as string));
      if (isGone(item))
        return act(apiResource, identifier, [{ type: 'RemoveApiResource', data: {} }]);
      const data = known(item, parse(apiResourceInput, item as never));
      return act(apiResource, identifier, [{ type: 'DeclareApiResource', data }]);
    },
    item(state) {
      const { encryption: _, ...declared } = (state as ApiResourceState).definition ?? {};
      return 'identifier' in declared ? declared : null;
    },
  },

  scopes: {
    key: 'name',
    async act(_, item) {
      const scopeName = parse(scopeToken, item.name as string);
      if (isGone(item)) return act(scope, scopeName, [{ type: 'RemoveScope', data: {} }]);
      const { localizations: texts, ...rest } = item;
      const localizations = parse(optional(z.record(locale, scopeTexts), {}), texts as never);
      const definition = known(rest, parse(scopeInput, rest as never));
      const data = { definition, localizations };
      return act(scope, scopeName, [{ type: 'DeclareScope', data }]);
    },
    item(state) {
      const { definition, localizations } = state as ScopeState;
      return definition && { ...definition, localizations };
    },
  },

  clients: {
    key: 'clientId',
    async act(context, item, at) {
      const id = parse(clientId, item.clientId as string);
      if (isGone(item)) return act(client, id, [{ type: 'RemoveClient', data: {} }]);
      const { disabled, localizations, secrets, ...rest } = item;
      const extras = parse(clientExtras, { disabled, localizations, secrets } as never);
      const registration = known(rest, checkedRegistration(context, rest as never));
      const wishes: Wish<ClientWishes>[] = [
        {
          type: 'DeclareClient',
          data: { registration, localizations: extras.localizations },
        },
        ...extras.secrets.map(
          (each) =>
            ({
              type: 'AddClientSecret',
              // The same secret has the same id, whoever declares it and however often.
              data: { ...each, secretId: each.digest.slice(0, 12), addedAt: at },
            }) as const,
        ),
        extras.disabled
          ? { type: 'DisableClient', data: { reason: 'declared' } }
          : { type: 'EnableClient', data: {} },
      ];
      return act(client, id, wishes);
    },
    item(state) {
      const { status, registration, localizations, secrets } = state as ClientState;
      if (!registration || status === 'removed') return null;
      return {
        ...registration,
        disabled: status === 'disabled',
        localizations,
        secrets: secrets.map(({ digest, description, expiresAt }) => ({
          digest,
          description,
          expiresAt,
        })),
      };
    },
  },

  trustedIssuers: {
    key: 'issuer',
    async act(_, item) {
      const id = digest(parse(name(2_000), item.issuer as string));
      if (isGone(item)) {
        const data = { reason: 'declared' };
        return act(trustedIssuer, id, [{ type: 'WithdrawIssuerTrust', data }]);
      }
      const data = known(item, parse(trustedIssuerInput, item as never));
      return act(trustedIssuer, id, [{ type: 'DeclareTrustedIssuer', data }]);
    },
    item: (state) => (state as TrustedIssuerState).trusted as Item | null,
  },

  operators: {
    key: 'username',
    async act(context, item) {
      const input = parse(z.object({ username: name(), roles }), item as never);
      known(item, input);
      const holder = usernameDigest(context.secrets, input.username);
      const { sub } = await present(context, usernames, holder);
      if (!sub) throw new DomainError('not_found', 'no such user', { field: 'username' });
      return act(user, sub, [{ type: 'ChangeUserRoles', data: { roles: input.roles } }]);
    },
    item: () => null,
  },
};

function isGone(item: Item): boolean {
  return gone.safeParse(item).success;
}

/**
 * What was read of an item.
 * @throws DomainError `invalid` for a field that was not read: a misspelt setting must not be lost
 */
function known<T extends object>(item: object, read: T, path = ''): T {
  for (const [field, value] of Object.entries(item)) {
    const at = path + field;
    if (!Object.hasOwn(read, field)) {
      throw new DomainError('invalid', 'is not known', { field: at });
    }
    const other = read[field as keyof T];
    if (isRecord(value) && isRecord(other)) known(value, other, `${at}.`);
  }
  return read;
}

function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The present state of an entity. */
export async function present<S, W, F>(
  { store }: Pick<CommandContext, 'store'>,
  decider: Decider<S, W, F>,
  id: string,
): Promise<S> {
  return fold(decider, (await store.read(streamOf(decider, id))).map(upcast));
}
