import { z } from 'zod';
import { flag, setting } from './setting.ts';

const ENDS = ['nothing', 'sessions', 'grants'] as const;
const CLIENT_ENDS = ['nothing', 'grants'] as const;

/** What ends with what, for good (docs/adr/0014-what-ends-with-what.md). */
export const endingSettings = {
  logoutEndsOfflineAccess: setting({
    variable: 'LOGOUT_ENDS_OFFLINE_ACCESS',
    default: 'false',
    description:
      'Whether signing out also ends the offline access of the applications of the session; a client may say otherwise.',
    schema: flag,
  }),
  passwordChangeEnds: setting({
    variable: 'PASSWORD_CHANGE_ENDS',
    default: 'grants',
    description:
      'What a new password ends for the person: `nothing`; `sessions`, the one it was changed in excepted; or `grants`, which is offline access as well.',
    schema: z.enum(ENDS, `must be one of ${ENDS.join(', ')}`),
  }),
  userDisableEnds: setting({
    variable: 'USER_DISABLE_ENDS',
    default: 'grants',
    description:
      'What does not come back when a disabled person is enabled again: `nothing`, `sessions`, or `grants`. While they are disabled, nothing of it is good.',
    schema: z.enum(ENDS, `must be one of ${ENDS.join(', ')}`),
  }),
  clientDisableEnds: setting({
    variable: 'CLIENT_DISABLE_ENDS',
    default: 'nothing',
    description:
      'What does not come back when a disabled client is enabled again: `nothing` or `grants`. While it is disabled, nothing of it is good.',
    schema: z.enum(CLIENT_ENDS, `must be one of ${CLIENT_ENDS.join(', ')}`),
  }),
};
