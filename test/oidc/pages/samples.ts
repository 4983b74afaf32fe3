import type {
  ApplicationsModel,
  ConsentModel,
  DeviceCodeModel,
  DeviceConfirmModel,
  DeviceDoneModel,
  ErrorModel,
  HomeModel,
  RegisterModel,
  RequestsModel,
  SelectAccountModel,
  SignedOutModel,
  SignInModel,
  SignOutModel,
} from '../../../src/oidc/pages/models.ts';
import type { Page, Pages } from '../../../src/oidc/pages/pages.ts';

const client = {
  clientName: 'Harbour Notes',
  clientLogoUri: 'https://notes.example/logo.png',
  clientUri: 'https://notes.example/',
  policyUri: 'https://notes.example/privacy',
  tosUri: 'https://notes.example/terms',
};

export const signIn: SignInModel = {
  locale: 'en',
  ...client,
  action: '/interaction/i1/sign-in',
  cancelAction: '/interaction/i1/cancel',
  csrf: 'csrf-value',
  username: 'ada',
  redirectOrigin: 'https://notes.example',
};

export const register: RegisterModel = {
  locale: 'en',
  ...client,
  action: '/interaction/i1/register',
  signInPath: '/interaction/i1/sign-in',
  csrf: 'csrf-value',
  username: 'ada',
  email: 'ada@example.com',
  redirectOrigin: 'https://notes.example',
};

export const selectAccount: SelectAccountModel = {
  locale: 'en',
  ...client,
  action: '/interaction/i1',
  signInPath: '/interaction/i1/sign-in',
  csrf: 'csrf-value',
  account: 'Ada Byron',
  redirectOrigin: 'https://notes.example',
};

export const consent: ConsentModel = {
  locale: 'en',
  ...client,
  action: '/interaction/i1/consent',
  csrf: 'csrf-value',
  redirectOrigin: 'https://notes.example',
  account: 'ada@example.com',
  scopes: [
    { name: 'openid', displayName: 'Who you are', description: 'An identifier', required: true },
    { name: 'email', displayName: 'Your e-mail address', description: null, required: false },
  ],
  resources: [
    {
      displayName: 'Archive',
      scopes: [
        { name: 'archive:read', displayName: 'Read', description: 'All folders', required: true },
        { name: 'archive:write', displayName: 'Write', description: 'Add files', required: false },
      ],
    },
  ],
  details: [
    {
      id: '0',
      displayName: 'Payment',
      resource: 'Bank',
      fields: [
        { name: 'amount.value', value: '123.50' },
        { name: 'creditor', value: 'Merchant A' },
      ],
    },
  ],
  offline: true,
};

export const signOut: SignOutModel = {
  locale: 'en',
  form: '<form id="op.logoutForm" method="post" action="/connect/logout/confirm"><input type="hidden" name="xsrf" value="x1"/></form>',
  clientName: 'Harbour Notes',
  redirectOrigin: 'https://notes.example',
};

export const signedOut: SignedOutModel = {
  locale: 'en',
  clientName: 'Harbour Notes',
  clientUri: 'https://notes.example/',
};

export const deviceCode: DeviceCodeModel = {
  locale: 'en',
  action: '/device',
  csrf: 'csrf-value',
  userCode: 'BCDF-GHJK',
  error: 'There is no such code.',
};

export const deviceConfirm: DeviceConfirmModel = {
  locale: 'en',
  ...client,
  action: '/device',
  csrf: 'csrf-value',
  userCode: 'BCDF-GHJK',
  scopes: [{ displayName: 'Your e-mail address', description: 'Where to write to you' }],
};

export const deviceDone: DeviceDoneModel = {
  locale: 'en',
  approved: true,
  clientName: 'Harbour Notes',
};

export const applications: ApplicationsModel = {
  locale: 'en',
  action: '/account/applications',
  csrf: 'csrf-value',
  account: 'ada@example.com',
  applications: [
    {
      clientId: 'notes',
      clientName: 'Harbour Notes',
      since: 'November 21, 2026',
      scopes: [{ displayName: 'Your e-mail address', description: 'Where to write to you' }],
    },
  ],
};

export const requests: RequestsModel = {
  locale: 'en',
  action: '/requests',
  csrf: 'csrf-value',
  account: 'ada@example.com',
  requests: [
    {
      id: 'request-1',
      clientName: 'Harbour Till',
      bindingMessage: 'Till 7, 12.50',
      scopes: [{ displayName: 'Your e-mail address', description: 'Where to write to you' }],
      details: [
        {
          displayName: 'Payment',
          resource: 'The bank',
          fields: [{ name: 'amount', value: '12.50' }],
        },
      ],
    },
  ],
  outcome: 'denied',
};

export const error: ErrorModel = {
  locale: 'en',
  status: 400,
  error: 'invalid_redirect_uri',
  message: 'redirect_uri did not match',
  requestId: 'request-1',
  title: 'Nothing to see',
};

export const home: HomeModel = {
  locale: 'en',
  issuer: 'https://id.example',
  adminConsole: 'https://admin.example/',
};

export const models = {
  signIn,
  register,
  selectAccount,
  consent,
  signOut,
  signedOut,
  deviceCode,
  deviceConfirm,
  deviceDone,
  requests,
  applications,
  error,
  home,
};

/** Each page in each of its forms, by a name for the test. */
export function variants(pages: Pages): [string, Page][] {
  return [
    ['sign-in', pages.signIn(signIn)],
    ['sign-in, bare', pages.signIn({ ...bare(signIn), username: undefined })],
    ['sign-in, refused', pages.signIn({ ...signIn, error: { message: 'Try again.' } })],
    [
      'sign-in, field at fault',
      pages.signIn({ ...signIn, error: { field: 'password', message: 'Enter it.' } }),
    ],
    ['sign-in, or register', pages.signIn({ ...signIn, registerPath: '/interaction/i1/register' })],
    ['register', pages.register(register)],
    [
      'register, refused',
      pages.register({ ...bare(register), username: undefined, error: { message: 'Later.' } }),
    ],
    [
      'register, field at fault',
      pages.register({ ...register, error: { field: 'repeated', message: 'Not the same.' } }),
    ],
    ['select-account', pages.selectAccount(selectAccount)],
    ['consent', pages.consent(consent)],
    [
      'consent, bare',
      pages.consent({ ...bare(consent), scopes: [], resources: [], offline: false }),
    ],
    ['sign-out', pages.signOut(signOut)],
    ['sign-out, bare', pages.signOut({ ...signOut, clientName: null, redirectOrigin: null })],
    ['signed-out', pages.signedOut(signedOut)],
    ['signed-out, unnamed', pages.signedOut({ ...signedOut, clientName: null })],
    [
      'signed-out, telling others',
      pages.signedOut({
        ...signedOut,
        frames: ['https://notes.example/out?iss=a&sid=b'],
        continueTo: 'https://notes.example/back?state=x&y="',
      }),
    ],
    ['signed-out, bare', pages.signedOut({ locale: 'en' })],
    ['device-code', pages.deviceCode({ ...deviceCode, userCode: undefined, error: null })],
    ['device-code, brought along', pages.deviceCode({ ...deviceCode, error: null })],
    ['device-code, refused', pages.deviceCode(deviceCode)],
    ['device-confirm', pages.deviceConfirm(deviceConfirm)],
    ['device-confirm, bare', pages.deviceConfirm({ ...bare(deviceConfirm), scopes: [] })],
    ['device-done', pages.deviceDone(deviceDone)],
    ['device-done, unnamed', pages.deviceDone({ ...deviceDone, clientName: null })],
    ['device-done, refused', pages.deviceDone({ ...deviceDone, approved: false })],
    ['applications', pages.applications(applications)],
    ['applications, none', pages.applications({ ...applications, applications: [] })],
    ['requests', pages.requests(requests)],
    [
      'requests, bare',
      pages.requests({
        ...requests,
        outcome: null,
        requests: requests.requests.map((each) => ({ ...each, bindingMessage: null, details: [] })),
      }),
    ],
    ['requests, none', pages.requests({ ...requests, outcome: 'gone', requests: [] })],
    ['error', pages.error(error)],
    ['error, bare', pages.error({ locale: 'en', status: 500, error: 'server_error' })],
    ['home', pages.home(home)],
    ['home, bare', pages.home({ locale: 'en', issuer: 'https://id.example' })],
  ];
}

function bare<Model extends SignInModel | RegisterModel | ConsentModel | DeviceConfirmModel>(
  model: Model,
): Model {
  const none = { clientLogoUri: null, clientUri: null, policyUri: null, tosUri: null };
  return { ...model, ...none, redirectOrigin: null };
}
