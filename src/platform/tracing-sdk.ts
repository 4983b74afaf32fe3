import { context, DiagLogLevel, diag, propagation, trace } from '@opentelemetry/api';
import type { Sampler } from '@opentelemetry/sdk-trace';
import type { Logger } from 'pino';
import { switchTracing } from './tracing.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Sends spans to an OpenTelemetry collector by OTLP over HTTP where one is named by the standard
 * variable OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT. Otherwise not even the
 * code for it is loaded.
 * @returns sends what is left, and stops
 */
export async function startTracing(env: Environment, log: Logger): Promise<() => Promise<void>> {
  if (!isWanted(env)) return async () => {};
  const [sdk, { OTLPTraceExporter }, { AsyncLocalStorageContextManager }, core, resources] =
    await Promise.all([
      import('@opentelemetry/sdk-trace'),
      import('@opentelemetry/exporter-trace-otlp-http'),
      import('@opentelemetry/context-async-hooks'),
      import('@opentelemetry/core'),
      import('@opentelemetry/resources'),
    ]);
  const told = (message: string) => log.warn({ message }, 'tracing');
  const quiet = () => {};
  diag.setLogger(
    { error: told, warn: told, info: quiet, debug: quiet, verbose: quiet },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  const { serviceNameEnvDetector, resourceAttributesEnvDetector } = resources;
  const detectors = [resourceAttributesEnvDetector, serviceNameEnvDetector];
  const provider = new sdk.TracerProvider({
    sampler: samplerFor(env, sdk),
    resource: resources
      .resourceFromAttributes({ 'service.name': 'muniment' })
      .merge(resources.detectResources({ detectors })),
    spanProcessors: [
      new sdk.BatchSpanProcessor({
        exporter: new OTLPTraceExporter(),
        scheduledDelayMillis: core.getNumberFromEnv('OTEL_BSP_SCHEDULE_DELAY'),
        maxQueueSize: core.getNumberFromEnv('OTEL_BSP_MAX_QUEUE_SIZE'),
        maxExportBatchSize: core.getNumberFromEnv('OTEL_BSP_MAX_EXPORT_BATCH_SIZE'),
        exportTimeoutMillis: core.getNumberFromEnv('OTEL_BSP_EXPORT_TIMEOUT'),
      }),
    ],
  });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  propagation.setGlobalPropagator(new core.W3CTraceContextPropagator());
  trace.setGlobalTracerProvider(provider);
  switchTracing(true);
  return async () => {
    switchTracing(false);
    await provider.shutdown().catch((err) => log.warn({ err }, 'spans could not be sent'));
  };
}

function isWanted(env: Environment): boolean {
  const endpoint = env.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || env.OTEL_EXPORTER_OTLP_ENDPOINT;
  const disabled = env.OTEL_SDK_DISABLED?.toLowerCase() === 'true';
  return Boolean(endpoint) && !disabled && env.OTEL_TRACES_EXPORTER !== 'none';
}

/** As OTEL_TRACES_SAMPLER says; by default everything, unless the caller's trace is not recorded. */
function samplerFor(env: Environment, sdk: typeof import('@opentelemetry/sdk-trace')): Sampler {
  const ratio = Number(env.OTEL_TRACES_SAMPLER_ARG ?? 1);
  const [, parentBased, kind] = /^(parentbased_)?(.+)$/.exec(
    env.OTEL_TRACES_SAMPLER || 'parentbased_always_on',
  ) as RegExpExecArray;
  const samplers: Record<string, () => Sampler> = {
    always_on: () => new sdk.AlwaysOnSampler(),
    always_off: () => new sdk.AlwaysOffSampler(),
    traceidratio: () => new sdk.TraceIdRatioBasedSampler(ratio),
  };
  const root = samplers[kind ?? '']?.();
  if (!root)
    throw new Error('OTEL_TRACES_SAMPLER must be one of the samplers of the specification');
  return parentBased ? new sdk.ParentBasedSampler({ root }) : root;
}
