import type { IncomingMessage } from 'node:http';
import { TLSSocket } from 'node:tls';
import type { Middleware } from 'koa';
import type { Configuration, KoaContextWithOIDC } from 'oidc-provider';
import { certificateHasName } from '../../platform/certificate-names.ts';
import {
  type CertificateProxy,
  type ClientCertificate,
  takeClientCertificate,
} from '../../platform/client-certificates.ts';

/** How clients can show certificates (RFC 8705). */
export interface MutualTls {
  /** A proxy that passes them on; null: there is none. */
  readonly proxy: CertificateProxy | null;
  /** The origin at which clients are asked for one; null: that of the issuer, or none. */
  readonly origin: string | null;
}

/** Endpoints that clients reach themselves, without a person's browser: they have an address for mutual TLS. */
const ALIASED = {
  token: 'token_endpoint',
  userinfo: 'userinfo_endpoint',
  introspection: 'introspection_endpoint',
  revocation: 'revocation_endpoint',
  pushed_authorization_request: 'pushed_authorization_request_endpoint',
  device_authorization: 'device_authorization_endpoint',
  backchannel_authentication: 'backchannel_authentication_endpoint',
} as const;

type Routes = Readonly<Record<string, string>>;

const certificates = new WeakMap<IncomingMessage, ClientCertificate>();
const aliased = new WeakSet<IncomingMessage>();

/**
 * Notes the certificate of a request, and takes away what only a proxy may say.
 * @returns the origin that the request was sent to: that of the issuer, or that for mutual TLS
 */
export function receive(
  request: IncomingMessage,
  { proxy, origin }: MutualTls,
  options: { readonly issuer: string; readonly trustProxy: boolean },
): string {
  const certificate = takeClientCertificate(request, proxy);
  if (certificate) certificates.set(request, certificate);
  const byName = options.trustProxy && origin?.slice('https://'.length) === request.headers.host;
  const direct = request.socket instanceof TLSSocket;
  if (direct) delete request.headers['x-forwarded-for'];
  if (!origin || !(direct || byName)) return options.issuer;
  aliased.add(request);
  return origin;
}

/**
 * The address for mutual TLS has no pages: nobody's cookies belong there. And where certificates have
 * no way to come, discovery does not speak of binding tokens to them.
 */
export function certificatesWhereTheyCome(tls: MutualTls, routes: Routes): Middleware {
  const paths = Object.keys(ALIASED).map((route) => routes[route]);
  return async (ctx, next) => {
    if (aliased.has(ctx.req) && !paths.includes(ctx.path)) return;
    await next();
    if (areShown(tls) || (ctx as KoaContextWithOIDC).oidc?.route !== 'discovery') return;
    delete (ctx.body as Record<string, unknown>).tls_client_certificate_bound_access_tokens;
  };
}

function areShown({ proxy, origin }: MutualTls): boolean {
  return proxy !== null || origin !== null;
}

/** The feature, and what discovery tells of it (RFC 8705 §5). */
export function mutualTls(tls: MutualTls, routes: Routes) {
  const { origin } = tls;
  const aliases = Object.entries(ALIASED)
    .filter(([route]) => routes[route])
    .map(([route, name]) => [name, `${origin}${routes[route]}`]);
  return {
    // Always: tokens that have to be bound must never be made without.
    feature: {
      enabled: true,
      certificateBoundAccessTokens: true,
      selfSignedTlsClientAuth: true,
      tlsClientAuth: true,
      getCertificate: (ctx) => of(ctx)?.certificate,
      certificateAuthorized: (ctx) => of(ctx)?.verified ?? false,
      certificateSubjectMatches: (ctx, property, expected) => {
        const certificate = of(ctx)?.certificate;
        return certificate !== undefined && certificateHasName(certificate, property, expected);
      },
    } satisfies NonNullable<Configuration['features']>['mTLS'],
    /** How clients can authenticate, where there is a way for certificates. */
    methods: areShown(tls) ? (['tls_client_auth', 'self_signed_tls_client_auth'] as const) : [],
    discovery: origin ? { mtls_endpoint_aliases: Object.fromEntries(aliases) } : {},
  };
}

function of(ctx: KoaContextWithOIDC): ClientCertificate | undefined {
  return certificates.get(ctx.req);
}
