/** What a relying party is told of the end of a session. */
export interface ClientLogout {
  /** OpenID Connect Back-Channel Logout §2.2. */
  readonly backchannelUri: string | null;
  /** OpenID Connect Front-Channel Logout §2. */
  readonly frontchannelUri: string | null;
  /** The client wants the `sid`. */
  readonly sessionRequired: boolean;
  /** Whether signing out takes offline access as well; null: as the server does by default. */
  readonly revokesOfflineAccess: boolean | null;
}
