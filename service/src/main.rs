//! The `bishui` command.

#[tokio::main]
async fn main() {
    let path = std::env::args().nth(1).expect("path");
    let play = bishui::scenario::Play::read(std::path::Path::new(&path)).expect("readable");
    let calendar = std::sync::Arc::new(bishui_infra::calendar::built_in());
    let state = bishui::drill::run(&play, calendar).await.expect("plays");
    println!("{}", serde_json::to_string(&state).expect("json"));
}
