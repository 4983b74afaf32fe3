/** How a client asks for people by the back channel (OpenID Connect CIBA §4). */
export interface ClientCiba {
  /** The client asks again and again, or is told when to ask. */
  readonly deliveryMode: 'poll' | 'ping';
  /** Where it is told. */
  readonly notificationEndpoint: string | null;
  /** It takes a code from people by which they prove to be there. */
  readonly userCodeParameter: boolean;
  /** Its requests are signed with this algorithm; null: they need not be. */
  readonly requestSigningAlg: string | null;
}
