import { ADMIN_CLIENT } from '../../src/commands/seed/seed.ts';
import { post } from './client-app.ts';
import type { TestServer } from './server.ts';

/** What the Admin API answered, whatever that was. */
export interface ApiAnswer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: what comes back is whatever the test asked for
  readonly body: any;
}

/** Calls the Admin API over HTTP, as the client for scripts. */
export interface AdminApi {
  readonly accessToken: string;
  /** @throws Error when anything was refused */
  // biome-ignore lint/suspicious/noExplicitAny: what comes back is whatever the test asked for
  call(query: string, variables?: object): Promise<any>;
  /** Sends a body as it is. */
  send(body: string, headers?: Readonly<Record<string, string>>): Promise<ApiAnswer>;
}

export async function adminApi(server: TestServer): Promise<AdminApi> {
  const client = { clientId: ADMIN_CLIENT, secret: server.adminClientSecret };
  const answer = await post(
    server,
    '/connect/token',
    { grant_type: 'client_credentials', scope: 'admin:*' },
    { client },
  );
  const accessToken = String(answer.body.access_token);

  async function send(body: string, headers?: Readonly<Record<string, string>>) {
    const response = await fetch(`${server.node.adminUrl}/graphql`, {
      method: 'POST',
      body,
      headers: {
        authorization: `Bearer ${accessToken}`,
        'content-type': 'application/json',
        ...headers,
      },
    });
    const text = await response.text();
    const json = response.headers.get('content-type')?.includes('json');
    return {
      status: response.status,
      headers: response.headers,
      body: json ? JSON.parse(text) : text,
    };
  }

  return {
    accessToken,
    send,
    async call(query, variables) {
      const { body } = await send(JSON.stringify({ query, variables }));
      const [data] = Object.values(body.data ?? {}) as { userErrors?: unknown[] }[];
      if (body.errors || data?.userErrors?.length) throw new Error(JSON.stringify(body));
      return data;
    },
  };
}
