import { z } from 'zod';
import { setting } from './setting.ts';

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;

/** What operators see of the server. Traces have the variables of OpenTelemetry's own (OTEL_…). */
export const observabilitySettings = {
  logLevel: setting({
    variable: 'LOG_LEVEL',
    default: 'info',
    description: `One of ${LOG_LEVELS.map((level) => `\`${level}\``).join(', ')}.`,
    schema: z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`),
  }),
  metrics: setting({
    variable: 'METRICS',
    default: 'on',
    description:
      'Whether the admin listener tells metrics at `/metrics`: `on`, `off`, or a bearer token (32 characters or more) that must be shown.',
    schema: z
      .string()
      .regex(
        /^(on|off|[A-Za-z0-9._~+/-]{32,256}=*)$/,
        'must be on, off, or a token of 32 to 256 characters',
      ),
  }),
};
