import { Args, Ctx, FieldResolver, Resolver, Root } from 'type-graphql';
import type { ClientRow } from '../projections/clients.ts';
import type { ConsentRow } from '../projections/consents.ts';
import type { GrantRow } from '../projections/grants.ts';
import type { NoticeRow } from '../projections/notices.ts';
import type { SessionRow } from '../projections/sessions.ts';
import { type TokenRow, tokensOfClient } from '../projections/tokens.ts';
import type { UserRow } from '../projections/users.ts';
import { Requires } from './authorize.ts';
import { Client } from './client/client.ts';
import { Consent, ConsentConnection, consentListing } from './consent.ts';
import type { GraphContext } from './context.ts';
import { Grant, GrantConnection, grantListing } from './grant.ts';
import { type NestedListing, nested } from './nested.ts';
import { NoticeConnection, noticeListing } from './notice.ts';
import { type Connection, PageArgs, pageComplexity } from './page.ts';
import { Session, SessionConnection, sessionListing } from './session.ts';
import { momentOf } from './time-travel/moment.ts';
import { TokenConnection, tokenListing } from './token.ts';
import { User } from './user.ts';

/** A listing, by a column that names whom a row belongs to. */
function by<L extends Omit<NestedListing, 'belonging'>>(listing: L, column: string): NestedListing {
  return { ...listing, belonging: (key) => [`t.${column} = ${key}`] };
}

/** The way from a person to what they have allowed, and what is in use of it. */
@Resolver(() => User)
export class UserRights {
  @Requires('sessions', 'read')
  @FieldResolver(() => SessionConnection, {
    complexity: pageComplexity,
    description: 'Their sessions, latest first.',
  })
  sessions(
    @Root() row: UserRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<SessionRow>> {
    return nested(context, by(sessionListing, 'sub'), row.sub, args, momentOf(row));
  }

  @Requires('grants', 'read')
  @FieldResolver(() => GrantConnection, {
    complexity: pageComplexity,
    description: 'The grants for them, latest first.',
  })
  grants(
    @Root() row: UserRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<GrantRow>> {
    return nested(context, by(grantListing, 'sub'), row.sub, args, momentOf(row));
  }

  @Requires('consents', 'read')
  @FieldResolver(() => ConsentConnection, {
    complexity: pageComplexity,
    description: 'What they allowed clients, latest first.',
  })
  consents(
    @Root() row: UserRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<ConsentRow>> {
    return nested(context, by(consentListing, 'sub'), row.sub, args, momentOf(row));
  }
}

/** The way from a client to what it may do for whom. */
@Resolver(() => Client)
export class ClientRights {
  @Requires('grants', 'read')
  @FieldResolver(() => GrantConnection, {
    complexity: pageComplexity,
    description: 'Its grants, latest first.',
  })
  grants(
    @Root() row: ClientRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<GrantRow>> {
    return nested(context, by(grantListing, 'client_id'), row.client_id, args, momentOf(row));
  }

  @Requires('consents', 'read')
  @FieldResolver(() => ConsentConnection, {
    complexity: pageComplexity,
    description: 'What people allowed it, latest first.',
  })
  consents(
    @Root() row: ClientRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<ConsentRow>> {
    return nested(context, by(consentListing, 'client_id'), row.client_id, args, momentOf(row));
  }

  @Requires('tokens', 'read')
  @FieldResolver(() => TokenConnection, {
    complexity: pageComplexity,
    description: 'Tokens issued to it or under its grants, those that expire last first.',
  })
  tokens(
    @Root() row: ClientRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<TokenRow>> {
    return nested(
      context,
      { ...tokenListing, belonging: tokensOfClient },
      row.client_id,
      args,
      momentOf(row),
    );
  }

  @Requires('sessions', 'read')
  @FieldResolver(() => NoticeConnection, {
    complexity: pageComplexity,
    description: 'What it was told, or could not be told, latest first.',
  })
  notices(
    @Root() row: ClientRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<NoticeRow>> {
    return nested(context, by(noticeListing, 'client_id'), row.client_id, args, momentOf(row));
  }
}

/** The way from a session to the grants that were opened in it, and to whom its end was told. */
@Resolver(() => Session)
export class SessionRights {
  @Requires('grants', 'read')
  @FieldResolver(() => GrantConnection, {
    complexity: pageComplexity,
    description: 'The grants opened in it, latest first.',
  })
  grants(
    @Root() row: SessionRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<GrantRow>> {
    return nested(context, by(grantListing, 'session_uid'), row.uid, args, momentOf(row));
  }

  @Requires('sessions', 'read')
  @FieldResolver(() => NoticeConnection, {
    complexity: pageComplexity,
    description: 'What its clients were told of its end, latest first.',
  })
  notices(
    @Root() row: SessionRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<NoticeRow>> {
    return nested(context, by(noticeListing, 'about'), row.uid, args, momentOf(row));
  }
}

/** The way from a grant to its tokens. */
@Resolver(() => Grant)
export class GrantRights {
  @Requires('tokens', 'read')
  @FieldResolver(() => TokenConnection, {
    complexity: pageComplexity,
    description: 'The codes and tokens issued under it, those that expire last first.',
  })
  tokens(
    @Root() row: GrantRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<TokenRow>> {
    return nested(context, by(tokenListing, 'grant_id'), row.grant_id, args, momentOf(row));
  }
}

/** The way from a consent to the grants of the same person and client. */
@Resolver(() => Consent)
export class ConsentRights {
  @Requires('grants', 'read')
  @FieldResolver(() => GrantConnection, {
    complexity: pageComplexity,
    description: 'The grants of this person and client, latest first.',
  })
  grants(
    @Root() row: ConsentRow,
    @Args(() => PageArgs) args: PageArgs,
    @Ctx() context: GraphContext,
  ): Promise<Connection<GrantRow>> {
    // A subject has no dot.
    const belonging = (key: string) => [
      `t.sub = split_part(${key}, '.', 1) and t.client_id = substr(${key}, strpos(${key}, '.') + 1)`,
    ];
    return nested(context, { ...grantListing, belonging }, row.consent_id, args, momentOf(row));
  }
}
