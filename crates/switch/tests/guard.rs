//! The guard by itself: who is banned and who is not. What it means at the gate stands in `admit`.

#[path = "guard/score.rs"]
mod score;
