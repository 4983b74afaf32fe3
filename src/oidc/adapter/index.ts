import type { Adapter } from 'oidc-provider';
import type { Secrets } from '../../platform/secrets.ts';
import type { SubjectKeys } from '../../platform/subject-keys.ts';
import type { Abilities } from '../clients/clients.ts';
import { BackchannelRequestAdapter } from './backchannel-request.ts';
import { ClientAdapter } from './client.ts';
import { DeviceCodeAdapter } from './device-code.ts';
import { GrantAdapter } from './grant.ts';
import { PushedRequestAdapter } from './pushed-requests.ts';
import { SessionAdapter } from './session.ts';
import { ReplayAdapter, StateAdapter } from './state.ts';
import {
  AccessTokenAdapter,
  AuthorizationCodeAdapter,
  ClientCredentialsAdapter,
  RefreshTokenAdapter,
  type TokenContext,
} from './tokens.ts';

export interface AdapterContext extends TokenContext, Abilities {
  readonly secrets: Secrets;
  readonly subjectKeys: SubjectKeys;
  /** Seconds that a person may take for one page. */
  readonly interactionLifetime: number;
}

/**
 * oidc-provider's adapter, one for each of its models. Reads are answered from the read models and
 * from what the request itself has done; writes become wishes in the request's unit of work.
 */
export function adapterFactory(context: AdapterContext): (model: string) => Adapter {
  const models: Readonly<Record<string, () => Adapter>> = {
    Client: () => new ClientAdapter(context),
    Session: () => new SessionAdapter(context),
    Grant: () => new GrantAdapter(context),
    AuthorizationCode: () => new AuthorizationCodeAdapter(context),
    DeviceCode: () => new DeviceCodeAdapter(context),
    BackchannelAuthenticationRequest: () => new BackchannelRequestAdapter(context),
    AccessToken: () => new AccessTokenAdapter(context),
    RefreshToken: () => new RefreshTokenAdapter(context),
    ClientCredentials: () => new ClientCredentialsAdapter(context),
    Interaction: () => new StateAdapter('Interaction', context),
    PushedAuthorizationRequest: () => new PushedRequestAdapter(context),
    ReplayDetection: () => new ReplayAdapter(context),
  };
  return (model) => {
    const make = models[model];
    if (!make) throw new Error(`the model ${model} has no place in the log`);
    return make();
  };
}
