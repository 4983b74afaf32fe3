import { isDeepStrictEqual } from 'node:util';
import type {
  AccessToken,
  AuthorizationDetail,
  AuthorizationDetailsForIntrospection,
  ClientCredentials,
  KoaContextWithOIDC,
  RichAuthorizationRequestsActiveConfiguration,
} from 'oidc-provider';
import { errors } from 'oidc-provider';
import type { AuthorizationDetailType } from '../domain/api-resource.ts';
import { violation } from '../platform/json-schema.ts';
import type { Catalogue } from '../projections/catalogue.ts';
import type { ConsentDetail } from './pages/models.ts';
import { partsOf } from './tokens/several-resources.ts';

type Details = readonly AuthorizationDetail[];

/** Characters of the parameter. */
const MAX_LENGTH = 10_000;

/**
 * Rich authorization requests (RFC 9396). API resources define types of details; a client asks for
 * details of the types it is permitted; the person agrees to each, every time; and the access token
 * for a resource carries those that are meant for it.
 */
export function richAuthorizationRequests(
  catalogue: Catalogue,
): RichAuthorizationRequestsActiveConfiguration & {
  authorizationDetailsForIntrospection: AuthorizationDetailsForIntrospection;
} {
  return {
    enabled: true,
    types: Object.fromEntries(
      [...detailTypes(catalogue)].map((type) => [
        type,
        {
          validate: (ctx: KoaContextWithOIDC, detail: AuthorizationDetail) =>
            assertFit(catalogue, ctx, detail),
        },
      ]),
    ),
    authorizationDetailsForGrantSource: (ctx) => {
      const { authorizationDetails = [] } = (ctx.oidc.result?.consent ?? {}) as Agreed;
      return [...authorizationDetails];
    },
    authorizationDetailsForAccessToken: (ctx, token, source) => {
      const asked = askedDetails(ctx);
      const had = (source as { rar?: Details } | undefined)?.rar;
      const wanted = source ? narrowed(had ?? [], asked) : (asked ?? []);
      return meantFor(catalogue, token, wanted);
    },
    authorizationDetailsForIntrospection: (_ctx, token) => [
      ...((token as { rar?: Details }).rar ?? []),
    ],
  };
}

/** The types that API resources define. */
export function detailTypes({ resources }: Catalogue): ReadonlySet<string> {
  const all = [...resources.values()].flatMap((row) => row.authorization_detail_types);
  return new Set(all.map(({ type }) => type));
}

/** What the consent page adds to its result. */
interface Agreed {
  readonly authorizationDetails?: Details;
}

/** The details that the person left ticked. */
export function agreedDetails(params: Parameters, form: URLSearchParams): Agreed {
  const ticked = form.getAll('detail');
  const asked = detailsIn(params) ?? [];
  return { authorizationDetails: asked.filter((_, nth) => ticked.includes(String(nth))) };
}

/** The details as a person is asked for them. */
export function presentedDetails(catalogue: Catalogue, params: Parameters): ConsentDetail[] {
  return (detailsIn(params) ?? []).map((detail, nth) => {
    const { type, locations: _, ...rest } = detail;
    const names = resourcesOf(catalogue, detail).map(
      (identifier) => catalogue.resources.get(identifier)?.display_name ?? identifier,
    );
    return {
      id: String(nth),
      displayName: typeNamed(catalogue, type)?.displayName ?? type,
      resource: names.join(', '),
      fields: flat(rest),
    };
  });
}

/** `{ amount: { value: '1' } }` → `amount.value`, `1` */
function flat(value: object, path = ''): { name: string; value: string }[] {
  return Object.entries(value).flatMap(([key, each]) => {
    const name = path ? `${path}.${key}` : key;
    const isObject = typeof each === 'object' && each !== null;
    return isObject ? flat(each, name) : [{ name, value: String(each) }];
  });
}

type Parameters = Readonly<Record<string, unknown>>;

/** The details that a request asks for; undefined where it says nothing of them, or not in JSON. */
export function askedDetails({ oidc }: KoaContextWithOIDC): Details | undefined {
  return detailsIn(oidc.params ?? {});
}

function detailsIn({ authorization_details: written }: Parameters): Details | undefined {
  if (typeof written !== 'string') return undefined;
  try {
    const details: unknown = JSON.parse(written);
    return Array.isArray(details) ? details : undefined;
  } catch {
    return undefined;
  }
}

/** The API resources at which a detail would count: all that define its type, or those it names. */
export function resourcesOf({ resources }: Catalogue, detail: AuthorizationDetail): string[] {
  const { locations } = detail as { locations?: readonly string[] };
  return [...resources.values()]
    .filter((row) => row.authorization_detail_types.some(({ type }) => type === detail.type))
    .map(({ identifier }) => identifier)
    .filter((identifier) => locations?.includes(identifier) ?? true);
}

/** What a type is called and what its details must be like, at the first resource that defines it. */
function typeNamed({ resources }: Catalogue, name: string): AuthorizationDetailType | undefined {
  return [...resources.values()]
    .flatMap((row) => row.authorization_detail_types)
    .find(({ type }) => type === name);
}

function assertFit(
  catalogue: Catalogue,
  { oidc }: KoaContextWithOIDC,
  detail: AuthorizationDetail,
): void {
  const refuse = (why: string): never => {
    throw new errors.InvalidAuthorizationDetails(`${detail.type}: ${why}`);
  };
  if (String(oidc.params?.authorization_details).length > MAX_LENGTH) {
    refuse(`all details together must not be longer than ${MAX_LENGTH} characters`);
  }
  if (resourcesOf(catalogue, detail).length === 0) {
    refuse('locations must name an API resource that knows the type');
  }
  const { schema } = typeNamed(catalogue, detail.type) ?? {};
  const problem = schema && violation(schema, detail);
  if (problem) refuse(problem);
}

/** Of what was granted, what is asked for now (RFC 9396 §6.1). @throws InvalidAuthorizationDetails for more */
function narrowed(granted: Details, asked: Details | undefined): Details {
  const more = asked?.some((each) => !granted.some((one) => isDeepStrictEqual(one, each)));
  if (more) {
    throw new errors.InvalidAuthorizationDetails('more was asked for than has been granted');
  }
  return asked ?? granted;
}

function meantFor(
  catalogue: Catalogue,
  { resourceServer }: AccessToken | ClientCredentials,
  details: Details,
): AuthorizationDetail[] {
  const meant = partsOf(resourceServer?.identifier() ?? '');
  return details.filter((each) => resourcesOf(catalogue, each).some((at) => meant.includes(at)));
}
