import { setting, wholeNumber } from './setting.ts';

/** When it is looked whether read models are what the log tells. */
export const verifySettings = {
  verifyPeriod: setting({
    variable: 'VERIFY_PERIOD',
    default: '60',
    description:
      'Seconds from one look at some rows of the read models, whether they are what the log tells, to the next; other rows each time. 0: never.',
    schema: wholeNumber(0, 86_400),
  }),
};
