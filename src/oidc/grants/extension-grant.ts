import type Provider from 'oidc-provider';
import type { TokenEndpointGrantContext } from 'oidc-provider';
import type { Outbound } from '../../platform/outbound.ts';
import type { Catalogue } from '../../projections/catalogue.ts';
import type { CredentialContext } from '../people/credentials.ts';

/** What a grant may need to decide; made anew whenever the catalogue changes. */
export interface GrantContext extends CredentialContext {
  readonly provider: Provider;
  readonly issuer: string;
  /** How addresses that others name are fetched. */
  readonly outbound: Outbound;
  readonly catalogue: Catalogue;
}

/** A value of grant_type that oidc-provider does not know (RFC 6749 §4.5). */
export interface ExtensionGrant {
  /** The value of grant_type. A client needs the permission of the same name. */
  readonly name: string;
  /** Parameters that are looked at beside those of client authentication; any other is dropped. */
  readonly parameters: readonly string[];
  /** Those of them that may come more than once. */
  readonly repeatable?: readonly string[];
  /**
   * Answers a request of a client that has authenticated and is permitted the grant type: sets
   * `ctx.body`, or throws one of oidc-provider's `errors`. Writes through the unit of work only.
   */
  handle(
    context: GrantContext,
    ctx: TokenEndpointGrantContext<Readonly<Record<string, unknown>>>,
  ): Promise<void>;
}
