/** How sure the server is of who somebody is (OpenID Connect Core §2): they knew their password. */
export const PASSWORD_ACR = 'urn:muniment:acr:password';

/** All that a person can be asked to reach. */
export const ACR_VALUES = [PASSWORD_ACR];
