use keyway::{Error, vitamojo};

async fn refresh(client: &vitamojo::Client) -> Result<(), Error> {
    let answer = client.api().refresh_token().value("spent").send().await?;
    println!("{answer}");
    println!("{}", answer.into_inner().payload.token.value);
    Ok(())
}

fn main() {}
