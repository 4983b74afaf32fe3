/** THE LIST: every entity there is. What is not named here does not exist. */

import { apiResource } from './api-resource.ts';
import { auditReadings } from './audit-reading.ts';
import { backchannelRequest } from './backchannel-request.ts';
import { client } from './client.ts';
import { consent } from './consent.ts';
import { cookieKey } from './cookie-key.ts';
import { deviceAuthorization } from './device-authorization.ts';
import { grant } from './grant.ts';
import { initialAccessToken } from './initial-access-token.ts';
import { leak } from './leak.ts';
import { notice } from './notice.ts';
import { projection } from './projection.ts';
import { scope } from './scope.ts';
import { session } from './session.ts';
import { signIns } from './sign-ins.ts';
import { signingKey } from './signing-key.ts';
import { clientToken } from './token.ts';
import { trustedIssuer } from './trusted-issuer.ts';
import { user } from './user.ts';
import { username } from './username.ts';

export const deciders = {
  client,
  scope,
  apiResource,
  user,
  username,
  consent,
  grant,
  clientToken,
  deviceAuthorization,
  backchannelRequest,
  session,
  signingKey,
  cookieKey,
  signIns,
  auditReadings,
  leak,
  projection,
  trustedIssuer,
  notice,
  initialAccessToken,
} as const;
