//! What comes of VTEX's answers, whichever of its ways to sign in they answer.

use super::{
    reading::{Came, Reading},
    vtex,
    vtex_shopper_session::{ShopperCookies, renewed, validated},
};
use crate::{Error, Secret, clock::Now, http::transport::AuthResponse};

pub(crate) static READING: Reading = Reading {
    surface: &vtex::SURFACE,
    came: |operation, reply, now| match operation {
        "generate_authentication_token" => Some(vtex::exchanged(reply, now).map(Came::Session)),
        "exchange_oauth_access_token" => Some(vtex::oauth_exchanged(reply, None, now).map(Came::Session)),
        "validate_access_key" => Some(validated(reply, "store", now).map(Came::Session)),
        "refresh_storefront_token" => Some(renewal(reply, now)),
        _ => None,
    },
    tokens: &[("generate_authentication_token", "/token"), ("exchange_oauth_access_token", "/authToken")],
    secrets: &["token", "authToken", "authenticationToken", "Value"],
};

fn renewal(reply: &AuthResponse, now: Now) -> Result<Came, Error> {
    let old = ShopperCookies::read(&Secret::from("vid_rt=old; VtexIdclientAutCookie_store=older"))?;
    renewed(reply, old, "store", now).map(Came::Session)
}
